//! Buckets and generated transforms that the tests of this module share.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::option;
use proptest::prelude::*;
use regex::Regex;

use super::plan::{
    Blur, Crop, Extract, Format, Gravity, Output, Position, Quality, Resize, ResizeCropAuto, Rotation, Step, Third,
    Watermark,
};
use super::{Bucket, Buckets, Dialect, PlanLimits, PresetPath, Recipe, ResultKey, Transform};

pub(super) const LIMITS: PlanLimits = PlanLimits { operations: 8, output_side: 8192 };

/// Parent before preset, anywhere in the path, as mort's examples write it.
pub(super) const GREEDY: &str = r"/(?P<parent>[a-z0-9./_-]+)/(?P<presetName>[a-z0-9_]+)";
/// Preset before parent.
pub(super) const PRESET_FIRST: &str = r"^/(?P<presetName>[a-z0-9_]+)/(?P<parent>.+)$";

pub(super) fn resize(width: u32, height: u32) -> Resize {
    Resize {
        width: NonZeroU32::new(width),
        height: NonZeroU32::new(height),
        enlarge: false,
        preserve_aspect_ratio: false,
        fill: false,
    }
}

/// Quality 75 and a thumbnail that may enlarge.
pub(super) fn outbound(width: u32, height: u32) -> Recipe {
    let resize = Resize { enlarge: true, ..resize(width, height) };
    Recipe {
        step: Step { resize: Some(resize), ..Step::default() },
        output: Output { quality: Quality::new(75), ..Output::default() },
    }
}

pub(super) fn presets(pattern: &str) -> PresetPath {
    let rotated = Recipe {
        step: Step { rotate: Some(Rotation::Quarter), grayscale: true, ..Step::default() },
        output: Output { format: Some(Format::Webp), strip: true, ..Output::default() },
    };
    let presets = [("width", outbound(100, 0)), ("height", outbound(0, 100)), ("rotated", rotated)];
    PresetPath {
        pattern: Regex::new(pattern).unwrap(),
        presets: presets.map(|(name, recipe)| (name.to_owned(), recipe)).into(),
    }
}

pub(super) fn transform(dialect: Dialect, result_key: ResultKey, parent_bucket: Option<&str>) -> Transform {
    Transform {
        dialect,
        parent_bucket: parent_bucket.map(Into::into),
        parent_storage: "basic".into(),
        check_parent: false,
        result_key,
    }
}

pub(super) fn buckets(transforms: impl IntoIterator<Item = (&'static str, Option<Transform>)>) -> Buckets {
    let transforms: BTreeMap<_, _> = transforms.into_iter().collect();
    Buckets::new(transforms.into_iter().map(|(name, transform)| Bucket::new(name, transform)), LIMITS)
}

fn side() -> impl Strategy<Value = Option<NonZeroU32>> {
    (0..6u32).prop_map(NonZeroU32::new)
}

fn filters() -> impl Strategy<Value = (Option<Blur>, Option<Watermark>)> {
    let blur = (1..4u32, 0..3u32)
        .prop_map(|(sigma_thousandths, min_ampl_thousandths)| Blur { sigma_thousandths, min_ampl_thousandths });
    let third = || prop_oneof![Just(Third::Start), Just(Third::Middle), Just(Third::End)];
    let watermark = ("/[ab]/[cd]", third(), third(), 0..3u32).prop_map(|(image, vertical, horizontal, opacity)| {
        Watermark { image, position: Position { vertical, horizontal }, opacity_hundredths: opacity }
    });
    (option::of(blur), option::of(watermark))
}

fn geometry() -> impl Strategy<Value = Step> {
    let resize = (side(), side(), any::<(bool, bool, bool)>()).prop_map(|(width, height, flags)| {
        let (enlarge, preserve_aspect_ratio, fill) = flags;
        Resize { width, height, enlarge, preserve_aspect_ratio, fill }
    });
    let gravity = prop_oneof![
        Just(Gravity::Center),
        Just(Gravity::North),
        Just(Gravity::East),
        Just(Gravity::South),
        Just(Gravity::West),
        Just(Gravity::Smart)
    ];
    let crop = (side(), side(), gravity, any::<(bool, bool)>()).prop_map(|(width, height, gravity, flags)| {
        let (enlarge, embed) = flags;
        Crop { width, height, gravity, enlarge, embed }
    });
    let extract =
        (0..4u32, 0..4u32, side(), side()).prop_map(|(top, left, width, height)| Extract { top, left, width, height });
    let auto = (1..5u32, 1..5u32).prop_filter_map("sides above zero", |(width, height)| {
        Some(ResizeCropAuto { width: NonZeroU32::new(width)?, height: NonZeroU32::new(height)? })
    });
    let rotation =
        prop_oneof![Just(Rotation::None), Just(Rotation::Quarter), Just(Rotation::Half), Just(Rotation::ThreeQuarters)];
    (option::of(resize), option::of(crop), option::of(extract), option::of(auto), option::of(rotation)).prop_map(
        |(resize, crop, extract, resize_crop_auto, rotate)| Step {
            resize,
            crop,
            extract,
            resize_crop_auto,
            rotate,
            ..Step::default()
        },
    )
}

fn output() -> impl Strategy<Value = Output> {
    let format =
        prop_oneof![Just(Format::Jpeg), Just(Format::Webp), Just(Format::Png), Just(Format::Avif), Just(Format::Gif)];
    let quality = (1..5i64).prop_filter_map("a quality", Quality::new);
    (option::of(format), option::of(quality), any::<(bool, bool)>())
        .prop_map(|(format, quality, (interlace, strip))| Output { format, quality, interlace, strip })
}

/// Any transform, of small numbers so that near misses are common.
pub(super) fn any_recipe() -> impl Strategy<Value = Recipe> {
    (geometry(), filters(), any::<bool>(), output()).prop_map(|(geometry, filters, grayscale, output)| {
        let (blur, watermark) = filters;
        Recipe { step: Step { blur, watermark, grayscale, ..geometry }, output }
    })
}

/// The number of parts that [`with_part_of`] can exchange.
pub(super) const PARTS: usize = 12;

/// `one` with a single part of `other`.
pub(super) fn with_part_of(one: &Recipe, other: &Recipe, part: usize) -> Recipe {
    let mut mixed = one.clone();
    let (step, output) = (other.step.clone(), other.output);
    match part {
        0 => mixed.step.rotate = step.rotate,
        1 => mixed.step.resize = step.resize,
        2 => mixed.step.crop = step.crop,
        3 => mixed.step.extract = step.extract,
        4 => mixed.step.resize_crop_auto = step.resize_crop_auto,
        5 => mixed.step.blur = step.blur,
        6 => mixed.step.watermark = step.watermark,
        7 => mixed.step.grayscale = step.grayscale,
        8 => mixed.output.format = output.format,
        9 => mixed.output.quality = output.quality,
        10 => mixed.output.interlace = output.interlace,
        _ => mixed.output.strip = output.strip,
    }
    mixed
}

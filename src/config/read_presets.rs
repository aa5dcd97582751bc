//! Reads presets into what they do, so that a wrong one is a problem at the start and not of each request.

use std::num::NonZeroU32;

use url::{Host, Url};

use super::reader::Section;
use crate::domain::Recipe;
use crate::domain::plan::words::{opacity_hundredths, watermark_image};
use crate::domain::plan::{
    Blur, Crop, Extract, Format, Gravity, Position, Quality, Resize, ResizeCropAuto, Rotation, Step, Watermark,
};

/// What presets are checked against.
pub(super) struct PresetRules<'a> {
    pub(super) output_side: u32,
    pub(super) operations: usize,
    pub(super) allowed_hosts: &'a [String],
    pub(super) bucket_names: &'a [String],
}

pub(super) fn preset(mut section: Section<'_>, rules: &PresetRules<'_>) -> Recipe {
    let mut recipe = Recipe::default();
    recipe.output.quality = checked(&mut section, "quality", Quality::checked);
    recipe.output.format = section.parsed("format", str::parse::<Format>);
    let mut filters = section.section("filters");
    recipe.output.interlace = filters.switch("interlace", false);
    recipe.output.strip = filters.switch("strip", false);
    recipe.step = Step {
        rotate: nested(&mut filters, "rotate", |rotate| checked(rotate, "angle", Rotation::from_degrees)),
        resize: nested(&mut filters, "thumbnail", |thumbnail| resize(thumbnail, rules)),
        crop: nested(&mut filters, "crop", |section| crop(section, rules)),
        extract: nested(&mut filters, "extract", |section| Some(extract(section))),
        resize_crop_auto: nested(&mut filters, "resize_crop_auto", |section| resize_crop_auto(section, rules)),
        blur: nested(&mut filters, "blur", blur),
        watermark: nested(&mut filters, "watermark", |section| watermark(section, rules)),
        grayscale: filters.switch("grayscale", false),
    };
    filters.finish();
    if recipe.step.operations() > rules.operations {
        section.own_problem(format!("has more than {} operations", rules.operations));
    }
    section.finish();
    recipe
}

/// A filter with parameters, where it is given.
fn nested<T>(filters: &mut Section<'_>, key: &str, read: impl FnOnce(&mut Section<'_>) -> Option<T>) -> Option<T> {
    let given = filters.has(key);
    let mut section = filters.section(key);
    if !given {
        return None;
    }
    let value = read(&mut section);
    section.finish();
    value
}

fn checked<T>(section: &mut Section<'_>, key: &str, check: impl FnOnce(i64) -> Result<T, String>) -> Option<T> {
    match check(section.integer(key)?) {
        Ok(value) => Some(value),
        Err(why) => {
            section.problem(key, why);
            None
        }
    }
}

fn sides(section: &mut Section<'_>, rules: &PresetRules<'_>) -> [Option<NonZeroU32>; 2] {
    ["width", "height"].map(|key| NonZeroU32::new(section.count(key, 0, 0..=rules.output_side)))
}

/// `mode: outbound` is the one that may enlarge.
fn may_enlarge(section: &mut Section<'_>) -> bool {
    section.choice("mode", &[("outbound", true), ("inbound", false), ("", false)]).unwrap_or(false)
}

fn resize(section: &mut Section<'_>, rules: &PresetRules<'_>) -> Option<Resize> {
    let [width, height] = sides(section, rules);
    let resize = Resize {
        width,
        height,
        enlarge: may_enlarge(section),
        preserve_aspect_ratio: section.switch("preserve_aspect_ratio", false),
        fill: section.switch("fill", false),
    };
    needs_a_side(section, width, height).then_some(resize)
}

fn crop(section: &mut Section<'_>, rules: &PresetRules<'_>) -> Option<Crop> {
    let [width, height] = sides(section, rules);
    let crop = Crop {
        width,
        height,
        gravity: section.parsed("gravity", str::parse::<Gravity>).unwrap_or_default(),
        enlarge: may_enlarge(section),
        embed: section.switch("embed", false),
    };
    needs_a_side(section, width, height).then_some(crop)
}

fn needs_a_side(section: &Section<'_>, width: Option<NonZeroU32>, height: Option<NonZeroU32>) -> bool {
    let given = width.is_some() || height.is_some();
    if !given {
        section.own_problem("needs a width or a height above zero");
    }
    given
}

fn extract(section: &mut Section<'_>) -> Extract {
    let mut number = |key| section.count(key, 0, 0..=u32::MAX);
    Extract {
        top: number("top"),
        left: number("left"),
        width: NonZeroU32::new(number("width")),
        height: NonZeroU32::new(number("height")),
    }
}

fn resize_crop_auto(section: &mut Section<'_>, rules: &PresetRules<'_>) -> Option<ResizeCropAuto> {
    let [Some(width), Some(height)] = sides(section, rules) else {
        section.own_problem("needs a width and a height above zero");
        return None;
    };
    Some(ResizeCropAuto { width, height })
}

fn blur(section: &mut Section<'_>) -> Option<Blur> {
    let min_ampl = section.number("min_ampl").unwrap_or(0.0);
    let sigma = required_number(section, "sigma")?;
    match Blur::checked(sigma, min_ampl) {
        Ok(blur) => Some(blur),
        Err(why) => {
            section.problem("sigma", why);
            None
        }
    }
}

fn required_number(section: &mut Section<'_>, key: &str) -> Option<f64> {
    let given = section.has(key);
    let number = section.number(key);
    if !given {
        section.problem(key, "is missing");
    }
    number
}

fn watermark(section: &mut Section<'_>, rules: &PresetRules<'_>) -> Option<Watermark> {
    let image = required_parsed(section, "image", |text| allowed_image(text, rules));
    let position = required_parsed(section, "position", str::parse::<Position>);
    let opacity = required_number(section, "opacity");
    let opacity = opacity.map(opacity_hundredths).and_then(|opacity| match opacity {
        Ok(hundredths) => Some(hundredths),
        Err(why) => {
            section.problem("opacity", why);
            None
        }
    });
    Some(Watermark { image: image?, position: position?, opacity_hundredths: opacity? })
}

fn required_parsed<T>(section: &mut Section<'_>, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    if !section.has(key) {
        section.problem(key, "is missing");
    }
    section.parsed(key, parse)
}

/// A watermark that no request could ever use is a problem now.
fn allowed_image(text: &str, rules: &PresetRules<'_>) -> Result<String, String> {
    let image = watermark_image(text)?;
    if let Some(path) = image.strip_prefix('/') {
        let bucket = path.split('/').next().unwrap_or_default();
        let known = rules.bucket_names.iter().any(|name| name == bucket);
        return if known { Ok(image) } else { Err(format!("there is no bucket {bucket:?}")) };
    }
    let url = Url::parse(&image).map_err(|why| format!("is not an address: {why}"))?;
    let host = url.host().map(|host: Host<&str>| host.to_string()).unwrap_or_default();
    if rules.allowed_hosts.contains(&host) {
        return Ok(image);
    }
    Err(format!("the host {host:?} is not one of watermarks.allowed_hosts"))
}

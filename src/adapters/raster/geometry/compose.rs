//! From one step of a plan to its framing.

use mortar_actors::Fault;

use super::{Framing, Size, Window, impossible};
use crate::adapters::raster::limits::OutputLimits;
use crate::domain::plan::{Crop, Extract, Gravity, Resize, ResizeCropAuto, Rotation, Step};

/// A cut whose place depends on what the picture shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::adapters::raster) struct SmartCut {
    /// What is cut.
    pub framing: Framing,
    /// How large a window stays; nowhere larger than the framing.
    pub window: Size,
}

/// The framing of `step` for an upright picture of `source` pixels.
///
/// A crop names its own target size and therefore replaces a resize in the same step. `place` finds the top-left corner
/// of a smart cut; the size of the result, and the scale, do not depend on what it answers.
///
/// # Errors
/// `Invalid` for an area outside the picture and for a result beyond the limits.
pub(in crate::adapters::raster) fn compose(
    step: &Step,
    source: Size,
    limits: &OutputLimits,
    place: impl FnOnce(SmartCut) -> (u32, u32),
) -> Result<Framing, Fault> {
    let mut framing = Framing::whole(source);
    if let Some(crop) = &step.crop {
        framing = cropped(framing, crop, limits, place)?;
    } else {
        if let Some(resize) = &step.resize {
            framing = resized(framing, resize, step.rotate, limits)?;
        }
        if let Some(extract) = &step.extract {
            framing = framing.cut(extract_window(extract, framing.size)?);
        }
    }
    if let Some(auto) = &step.resize_crop_auto {
        framing = auto_cropped(framing, auto, limits)?;
    }
    limits.check_size(f64::from(framing.size.width), f64::from(framing.size.height))?;
    Ok(framing)
}

fn resized(
    framing: Framing,
    resize: &Resize,
    rotate: Option<Rotation>,
    limits: &OutputLimits,
) -> Result<Framing, Fault> {
    let rotated = rotate.is_some_and(|rotation| rotation != Rotation::None);
    let Size { width, height } = framing.size;
    let (width, height) = (f64::from(width), f64::from(height));
    let target_width = resize.width.map(|width| f64::from(width.get()));
    let target_height = resize.height.map(|height| f64::from(height.get()));
    let (factor, derived) = match (target_width, target_height) {
        (Some(target_width), Some(target_height)) if resize.fill => {
            return covered(framing, target_width, target_height, limits, Gravity::Center, |_| (0, 0));
        }
        (Some(target_width), Some(target_height)) => {
            let keeps_ratio = resize.enlarge || resize.preserve_aspect_ratio || rotated;
            if !keeps_ratio {
                return framing.scaled_to(target_width, target_height, limits);
            }
            let factor = (width / target_width).max(height / target_height);
            (factor, (target_width, target_height))
        }
        (Some(target_width), None) => (width / target_width, (target_width, height * target_width / width)),
        (None, Some(target_height)) => (height / target_height, (width * target_height / height, target_height)),
        (None, None) => return Ok(framing),
    };
    // An explicit rotation turns the forced resize into one that does not enlarge: so it is in the URLs' contract.
    let may_enlarge = resize.enlarge || resize.preserve_aspect_ratio || !rotated;
    if !may_enlarge && width < derived.0 && height < derived.1 {
        return Ok(framing);
    }
    framing.scaled_to(width / factor, height / factor, limits)
}

fn cropped(
    framing: Framing,
    crop: &Crop,
    limits: &OutputLimits,
    place: impl FnOnce(SmartCut) -> (u32, u32),
) -> Result<Framing, Fault> {
    let Size { width, height } = framing.size;
    let (target_width, target_height) = match (crop.width, crop.height) {
        (Some(target_width), Some(target_height)) => (target_width.get(), target_height.get()),
        (Some(strip), None) => return Ok(cut_towards(framing, Size::new(strip.get(), height), crop.gravity, place)),
        (None, Some(strip)) => return Ok(cut_towards(framing, Size::new(width, strip.get()), crop.gravity, place)),
        (None, None) => return Ok(framing),
    };
    let smaller_in_both = width < target_width && height < target_height;
    if smaller_in_both && !crop.enlarge {
        return Ok(framing);
    }
    covered(framing, f64::from(target_width), f64::from(target_height), limits, crop.gravity, place)
}

/// Scales to cover the target and cuts the rest away.
fn covered(
    framing: Framing,
    target_width: f64,
    target_height: f64,
    limits: &OutputLimits,
    gravity: Gravity,
    place: impl FnOnce(SmartCut) -> (u32, u32),
) -> Result<Framing, Fault> {
    let target = limits.check_size(target_width, target_height)?;
    let (width, height) = (f64::from(framing.size.width), f64::from(framing.size.height));
    let factor = (width / target_width).min(height / target_height);
    // What hangs over the target exists on paper only, so no limit applies to it; rounding must not undercut the target.
    let covering = Size::new(
        ((width / factor).round() as u32).max(target.width),
        ((height / factor).round() as u32).max(target.height),
    );
    Ok(cut_towards(Framing { area: framing.area, size: covering }, target, gravity, place))
}

fn cut_towards(
    framing: Framing,
    target: Size,
    gravity: Gravity,
    place: impl FnOnce(SmartCut) -> (u32, u32),
) -> Framing {
    let size = Size::new(target.width.min(framing.size.width), target.height.min(framing.size.height));
    if size == framing.size {
        return framing;
    }
    let (spare_width, spare_height) = (framing.size.width - size.width, framing.size.height - size.height);
    let (center_left, center_top) = (spare_width.div_ceil(2), spare_height.div_ceil(2));
    let (left, top) = match gravity {
        Gravity::Center => (center_left, center_top),
        Gravity::North => (center_left, 0),
        Gravity::East => (spare_width, center_top),
        Gravity::South => (center_left, spare_height),
        Gravity::West => (0, center_top),
        Gravity::Smart => place(SmartCut { framing, window: size }),
    };
    framing.cut(Window { left: left.min(spare_width), top: top.min(spare_height), size })
}

fn extract_window(extract: &Extract, picture: Size) -> Result<Window, Fault> {
    let width = extract.width.map_or(picture.width, |width| width.get());
    let height = extract.height.map_or(picture.height, |height| height.get());
    let fits = |from: u32, length: u32, side: u32| u64::from(from) + u64::from(length) <= u64::from(side);
    if !fits(extract.left, width, picture.width) || !fits(extract.top, height, picture.height) {
        let Extract { left, top, .. } = extract;
        return Err(impossible(format!(
            "the area of {width}x{height} at left {left}, top {top} lies outside the picture of {}x{}",
            picture.width, picture.height
        )));
    }
    Ok(Window { left: extract.left, top: extract.top, size: Size::new(width, height) })
}

fn auto_cropped(framing: Framing, auto: &ResizeCropAuto, limits: &OutputLimits) -> Result<Framing, Fault> {
    let Size { width, height } = framing.size;
    let (target_width, target_height) = (auto.width.get(), auto.height.get());
    let scaled = |side: u32, multiply: u32, divide: u32| {
        (u64::from(side) * u64::from(multiply)).div_ceil(u64::from(divide)).max(1) as u32
    };
    let narrower = u64::from(width) * u64::from(target_height) < u64::from(height) * u64::from(target_width);
    let size = if narrower {
        Size::new(width, scaled(target_height, width, target_width).min(height))
    } else {
        Size::new(scaled(target_width, height, target_height).min(width), height)
    };
    let window = Window { left: (width - size.width) / 2, top: (height - size.height) / 5, size };
    framing.cut(window).scaled_to(f64::from(target_width), f64::from(target_height), limits)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use mortar_actors::FaultKind;

    use super::*;
    use crate::adapters::raster::geometry::Area;

    const LIMITS: OutputLimits = OutputLimits { side: 5_000, pixels: 25_000_000 };

    fn side(pixels: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(pixels)
    }

    fn resize(width: u32, height: u32) -> Resize {
        Resize { width: side(width), height: side(height), enlarge: false, preserve_aspect_ratio: false, fill: false }
    }

    fn crop(width: u32, height: u32, gravity: Gravity) -> Crop {
        Crop { width: side(width), height: side(height), gravity, enlarge: false, embed: false }
    }

    fn framing(step: &Step, width: u32, height: u32) -> Framing {
        compose(step, Size::new(width, height), &LIMITS, |_| (0, 0)).unwrap()
    }

    fn resized_size(resize: Resize, width: u32, height: u32) -> (u32, u32) {
        let step = Step { resize: Some(resize), ..Step::default() };
        let Size { width, height } = framing(&step, width, height).size;
        (width, height)
    }

    fn cropped_framing(crop: Crop, width: u32, height: u32) -> Framing {
        framing(&Step { crop: Some(crop), ..Step::default() }, width, height)
    }

    #[test]
    fn one_side_keeps_the_ratio_and_enlarges_freely() {
        assert_eq!(resized_size(resize(400, 0), 640, 800), (400, 500));
        assert_eq!(resized_size(resize(0, 100), 640, 800), (80, 100));
        assert_eq!(resized_size(resize(2_000, 0), 640, 800), (2_000, 2_500));
    }

    #[test]
    fn both_sides_stretch() {
        assert_eq!(resized_size(resize(300, 300), 800, 640), (300, 300));
    }

    #[test]
    fn outbound_fits_inside() {
        let outbound = Resize { enlarge: true, ..resize(300, 300) };
        assert_eq!(resized_size(outbound, 800, 640), (300, 240));
        assert_eq!(resized_size(outbound, 80, 64), (300, 240));
    }

    #[test]
    fn preserving_the_ratio_never_leaves_the_box() {
        for (width, height) in [(800, 640), (799, 641), (1000, 333), (333, 1000)] {
            let kept = Resize { preserve_aspect_ratio: true, ..resize(300, 210) };
            let (result_width, result_height) = resized_size(kept, width, height);
            assert!(result_width <= 300 && result_height <= 210, "{width}x{height}: {result_width}x{result_height}");
            assert!(result_width == 300 || result_height == 210);
        }
    }

    #[test]
    fn fill_cuts_the_middle_to_the_ratio_of_the_target() {
        let filled = Resize { fill: true, enlarge: true, preserve_aspect_ratio: true, ..resize(100, 50) };
        let step = Step { resize: Some(filled), ..Step::default() };
        let framing = framing(&step, 800, 640);
        assert_eq!(framing.size, Size::new(100, 50));
        assert_eq!(framing.area, Area { left: 0.0, top: 120.0, width: 800.0, height: 400.0 });
    }

    #[test]
    fn a_rotated_resize_fits_and_does_not_enlarge() {
        let rotated = |resize, width, height| {
            let step = Step { rotate: Some(Rotation::Quarter), resize: Some(resize), ..Step::default() };
            let Size { width, height } = framing(&step, width, height).size;
            (width, height)
        };
        assert_eq!(rotated(resize(400, 0), 800, 640), (400, 320));
        assert_eq!(rotated(resize(300, 300), 800, 640), (300, 240));
        assert_eq!(rotated(resize(900, 900), 800, 640), (800, 640));
        assert_eq!(rotated(Resize { enlarge: true, ..resize(1_600, 1_600) }, 800, 640), (1_600, 1_280));
    }

    #[test]
    fn a_crop_covers_and_cuts() {
        let framing = cropped_framing(crop(100, 100, Gravity::North), 640, 800);
        assert_eq!(framing.size, Size::new(100, 100));
        assert_eq!(framing.area, Area { left: 0.0, top: 0.0, width: 640.0, height: 640.0 });
        let framing = cropped_framing(crop(100, 100, Gravity::South), 640, 800);
        assert_eq!(framing.area.top, 160.0);
    }

    #[test]
    fn gravity_moves_along_the_spare_side() {
        assert_eq!(cropped_framing(crop(400, 400, Gravity::East), 800, 400).area.left, 400.0);
        assert_eq!(cropped_framing(crop(400, 400, Gravity::West), 800, 400).area.left, 0.0);
        assert_eq!(cropped_framing(crop(400, 400, Gravity::Center), 801, 400).area.left, 201.0);
    }

    #[test]
    fn a_crop_enlarges_only_where_one_side_is_large_enough_or_it_is_asked_to() {
        assert_eq!(cropped_framing(crop(1_000, 1_000, Gravity::Center), 640, 800).size, Size::new(640, 800));
        assert_eq!(cropped_framing(crop(1_000, 300, Gravity::Center), 640, 800).size, Size::new(1_000, 300));
        let enlarged = Crop { enlarge: true, ..crop(1_000, 1_000, Gravity::Center) };
        assert_eq!(cropped_framing(enlarged, 640, 800).size, Size::new(1_000, 1_000));
    }

    #[test]
    fn a_crop_of_one_side_is_a_strip() {
        let framing = cropped_framing(crop(100, 0, Gravity::Center), 640, 800);
        assert_eq!(framing.size, Size::new(100, 800));
        assert_eq!(framing.area, Area { left: 270.0, top: 0.0, width: 100.0, height: 800.0 });
        assert_eq!(cropped_framing(crop(0, 100, Gravity::Center), 640, 800).size, Size::new(640, 100));
    }

    #[test]
    fn a_smart_crop_asks_where_to_cut() {
        let step = Step { crop: Some(crop(100, 100, Gravity::Smart)), ..Step::default() };
        let framing = compose(&step, Size::new(800, 400), &LIMITS, |cut| {
            assert_eq!(cut.framing.size, Size::new(200, 100));
            assert_eq!(cut.window, Size::new(100, 100));
            (75, 0)
        });
        assert_eq!(framing.unwrap().area, Area { left: 300.0, top: 0.0, width: 400.0, height: 400.0 });
    }

    #[test]
    fn a_crop_replaces_the_resize_of_its_step() {
        let step = Step {
            resize: Some(resize(100, 100)),
            crop: Some(crop(100, 100, Gravity::Center)),
            extract: Some(Extract { top: 0, left: 0, width: side(9_999), height: None }),
            ..Step::default()
        };
        assert_eq!(framing(&step, 800, 400).area, Area { left: 200.0, top: 0.0, width: 400.0, height: 400.0 });
    }

    #[test]
    fn an_extract_cuts_the_resized_picture() {
        let extract = Extract { top: 10, left: 20, width: side(100), height: side(50) };
        let step = Step { resize: Some(resize(400, 0)), extract: Some(extract), ..Step::default() };
        let framing = framing(&step, 800, 640);
        assert_eq!(framing.size, Size::new(100, 50));
        assert_eq!(framing.area, Area { left: 40.0, top: 20.0, width: 200.0, height: 100.0 });
    }

    #[test]
    fn an_extract_outside_the_picture_is_refused() {
        for (top, left, width, height) in [(0, 1, 0, 0), (0, 0, 801, 1), (640, 0, 1, 1), (u32::MAX, u32::MAX, 1, 1)] {
            let extract = Extract { top, left, width: side(width), height: side(height) };
            let step = Step { extract: Some(extract), ..Step::default() };
            let fault = compose(&step, Size::new(800, 640), &LIMITS, |_| (0, 0)).unwrap_err();
            assert_eq!(fault.kind(), FaultKind::Invalid);
        }
    }

    #[test]
    fn an_automatic_crop_divides_exactly() {
        let auto = |width, height| Step {
            resize_crop_auto: side(width).zip(side(height)).map(|(width, height)| ResizeCropAuto { width, height }),
            ..Step::default()
        };
        let framing_of = |width, height| framing(&auto(width, height), 640, 800);
        // 640 / 300 is 2.13: whole-number division would have cut 600 x 600 out.
        assert_eq!(framing_of(300, 300).area, Area { left: 0.0, top: 32.0, width: 640.0, height: 640.0 });
        assert_eq!(framing_of(300, 300).size, Size::new(300, 300));
        assert_eq!(framing_of(100, 400).area, Area { left: 220.0, top: 0.0, width: 200.0, height: 800.0 });
    }

    #[test]
    fn results_beyond_the_limits_are_refused_before_anything_is_allocated() {
        for asked in [resize(5_001, 1), resize(999_999, 0), resize(5_000, 5_001), resize(u32::MAX, u32::MAX)] {
            let step = Step { resize: Some(asked), ..Step::default() };
            let fault = compose(&step, Size::new(640, 800), &LIMITS, |_| (0, 0)).unwrap_err();
            assert_eq!(fault.kind(), FaultKind::Invalid);
        }
        let wide = Step { crop: Some(Crop { enlarge: true, ..crop(u32::MAX, 1, Gravity::Center) }), ..Step::default() };
        assert!(compose(&wide, Size::new(640, 800), &LIMITS, |_| (0, 0)).is_err());
    }

    #[test]
    fn no_result_is_empty() {
        assert_eq!(resized_size(resize(1, 0), 5_000, 3), (1, 1));
    }
}

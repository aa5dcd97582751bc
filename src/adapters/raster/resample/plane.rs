//! One plane of bytes: a pass along the columns, and the same along the rows, which are turned into columns for it.
//!
//! A pass along columns adds up whole lines; one along rows has to gather the samples of each sum, which takes four times
//! as long. Turning a plane and turning it back costs less than that, with equal samples in the end: from a sixth of both
//! passes where a picture is made much smaller, to two thirds where it is enlarged.

use std::ops::Range;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, Resizer};
use mortar_actors::Fault;

use super::super::alpha::broken;
use super::super::geometry::{Area, Size};
use super::super::lanczos::LOBES;
use super::super::pixels::Plane;
use super::super::transpose::transpose;
use super::options;

/// Shows an area of a plane at a size.
///
/// # Errors
/// `Internal` for samples that do not fill the plane.
pub(super) fn resample_plane(
    resizer: &mut Resizer,
    plane: &Plane,
    area: Area,
    Size { width, height }: Size,
) -> Result<Plane, Fault> {
    let area = area.within(Size::new(plane.width, plane.height));
    let rows_fit = area.width == f64::from(width) && area.left.fract() == 0.0;
    if rows_fit {
        return pass(resizer, plane, area, Size::new(width, height));
    }
    let columns = reached_columns(plane, area, width);
    let reached = Size::new(columns.end - columns.start, height);
    let above = Area { left: f64::from(columns.start), width: f64::from(reached.width), ..area };
    let turned = transpose(&pass(resizer, plane, above, reached)?);
    let left = area.left - above.left;
    let beside = Area { left: 0.0, top: left, width: f64::from(height), height: area.width };
    let beside = beside.within(Size::new(turned.width, turned.height));
    Ok(transpose(&pass(resizer, &turned, beside, Size::new(height, width))?))
}

/// The columns of a plane that have any weight in an area of it which is shown at a width.
fn reached_columns(plane: &Plane, area: Area, width: u32) -> Range<u32> {
    let reach = LOBES * (area.width / f64::from(width)).max(1.0) + 1.0;
    let first = (area.left - reach).floor().max(0.0);
    let end = (area.left + area.width + reach).ceil().min(f64::from(plane.width));
    first as u32..end as u32
}

/// Scales the columns; the rows fit already.
fn pass(resizer: &mut Resizer, plane: &Plane, area: Area, size: Size) -> Result<Plane, Fault> {
    let mut samples = vec![0; size.width as usize * size.height as usize];
    let image = ImageRef::new(plane.width, plane.height, &plane.samples, PixelType::U8).map_err(broken)?;
    let mut scaled = Image::from_slice_u8(size.width, size.height, &mut samples, PixelType::U8).map_err(broken)?;
    resizer.resize(&image, &mut scaled, &options(area)).map_err(broken)?;
    Ok(Plane { width: size.width, height: size.height, samples })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Both passes by the resizer itself.
    fn at_once(plane: &Plane, area: Area, size: Size) -> Vec<u8> {
        pass(&mut Resizer::new(), plane, area.within(Size::new(plane.width, plane.height)), size).unwrap().samples
    }

    proptest! {
        #[test]
        fn turning_a_plane_changes_no_sample(
            (width, height) in (1_u32..70, 1_u32..70),
            (to_width, to_height) in (1_u32..90, 1_u32..90),
            (left, top, right, bottom) in (0.0..0.9_f64, 0.0..0.9_f64, 0.01..1.0_f64, 0.01..1.0_f64),
            whole in any::<bool>(),
            seed: u32,
        ) {
            let samples = (0..width * height).map(|index| (index ^ seed).wrapping_mul(2_654_435_761).to_be_bytes()[0]);
            let plane = Plane { width, height, samples: samples.collect() };
            let (across, down) = (f64::from(width), f64::from(height));
            let (left, top) = (left * across, top * down);
            let part = Area { left, top, width: (across - left) * right, height: (down - top) * bottom };
            let area = if whole { Area::whole(Size::new(width, height)) } else { part };
            let size = Size::new(to_width, to_height);
            let turned = resample_plane(&mut Resizer::new(), &plane, area, size).unwrap();
            prop_assert_eq!((turned.width, turned.height), (to_width, to_height));
            prop_assert_eq!(turned.samples, at_once(&plane, area, size));
        }
    }
}

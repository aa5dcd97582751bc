use mortar_actors::{Fault, FaultKind};
use moxcms::{CmsError, ColorProfile, DataColorSpace, RenderingIntent, TransformExecutor, TransformOptions};

use super::Profile;
use crate::adapters::raster::pixels::{Layout, Picture, Samples};

/// Converts a picture to sRGB, keeping its size, depth and alpha. Call it on the small picture, after shrinking.
///
/// A picture that is sRGB already is handed back as it is. A grey picture stays grey. A profile for grey on a picture
/// with colours says nothing about them and is ignored.
///
/// # Errors
/// `Unprocessable` when the profile cannot be applied.
pub fn to_srgb(mut picture: Picture, profile: &Profile) -> Result<Picture, Fault> {
    let Profile::Icc(profile) = profile else { return Ok(picture) };
    let is_color = matches!(picture.layout, Layout::Rgb | Layout::Rgba);
    let row = picture.width as usize * picture.layout.channels();
    let converted = match (&mut picture.samples, is_color) {
        (_, true) if profile.color_space == DataColorSpace::Gray => Ok(()),
        (Samples::U8(samples), true) => color8(profile, picture.layout, samples, row),
        (Samples::U16(samples), true) => color16(profile, picture.layout, samples, row),
        (Samples::U8(samples), false) => grey8(profile, samples, picture.layout.channels()),
        (Samples::U16(samples), false) => grey16(profile, samples, picture.layout.channels()),
    };
    converted.map_err(|error| {
        Fault::new(FaultKind::Unprocessable, "the picture's colour profile cannot be applied").caused_by(error)
    })?;
    Ok(picture)
}

fn color8(profile: &ColorProfile, layout: Layout, samples: &mut [u8], row: usize) -> Result<(), CmsError> {
    let layout = cms_layout(layout);
    let srgb = ColorProfile::new_srgb();
    let transform = by_intent(|options| profile.create_transform_8bit(layout, &srgb, layout, options))?;
    by_rows(transform.as_ref(), samples, row)
}

fn color16(profile: &ColorProfile, layout: Layout, samples: &mut [u16], row: usize) -> Result<(), CmsError> {
    let layout = cms_layout(layout);
    let srgb = ColorProfile::new_srgb();
    let transform = by_intent(|options| profile.create_transform_16bit(layout, &srgb, layout, options))?;
    by_rows(transform.as_ref(), samples, row)
}

/// Makes a transform for the perceptual intent, which pictures are made for, or for the one that a profile has instead.
pub(super) fn by_intent<T>(create: impl Fn(TransformOptions) -> Result<T, CmsError>) -> Result<T, CmsError> {
    let options = |rendering_intent| TransformOptions { rendering_intent, ..TransformOptions::default() };
    create(options(RenderingIntent::Perceptual)).or_else(|_| create(options(RenderingIntent::RelativeColorimetric)))
}

/// One row is copied at a time: the library cannot work in place, and a second picture would cost its memory.
fn by_rows<V: Copy + Default, E: TransformExecutor<V> + ?Sized>(
    transform: &E,
    samples: &mut [V],
    row: usize,
) -> Result<(), CmsError> {
    let mut before = vec![V::default(); row];
    for samples in samples.chunks_exact_mut(row) {
        before.copy_from_slice(samples);
        transform.transform(&before, samples)?;
    }
    Ok(())
}

fn grey8(profile: &ColorProfile, samples: &mut [u8], channels: usize) -> Result<(), CmsError> {
    let source = grey_layout(profile);
    let srgb = ColorProfile::new_srgb();
    let transform = by_intent(|options| profile.create_transform_8bit(source, &srgb, moxcms::Layout::Rgb, options))?;
    let levels = (0..=u8::MAX).flat_map(|level| std::iter::repeat_n(level, source.channels())).collect::<Vec<_>>();
    map_grey(transform.as_ref(), &levels, samples, channels, usize::from)
}

fn grey16(profile: &ColorProfile, samples: &mut [u16], channels: usize) -> Result<(), CmsError> {
    let source = grey_layout(profile);
    let srgb = ColorProfile::new_srgb();
    let transform = by_intent(|options| profile.create_transform_16bit(source, &srgb, moxcms::Layout::Rgb, options))?;
    let levels = (0..=u16::MAX).flat_map(|level| std::iter::repeat_n(level, source.channels())).collect::<Vec<_>>();
    map_grey(transform.as_ref(), &levels, samples, channels, usize::from)
}

/// Converts each level once and looks the samples up; of the neutral colours that come out, green speaks for all.
fn map_grey<V: Copy + Default, E: TransformExecutor<V> + ?Sized>(
    transform: &E,
    levels: &[V],
    samples: &mut [V],
    channels: usize,
    index: impl Fn(V) -> usize,
) -> Result<(), CmsError> {
    let count = 1_usize << (8 * size_of::<V>());
    let mut converted = vec![V::default(); count * 3];
    transform.transform(levels, &mut converted)?;
    for pixel in samples.chunks_exact_mut(channels) {
        pixel[0] = converted[index(pixel[0]) * 3 + 1];
    }
    Ok(())
}

/// A grey picture may carry a profile for RGB: its levels are then that profile's neutral colours.
fn grey_layout(profile: &ColorProfile) -> moxcms::Layout {
    if profile.color_space == DataColorSpace::Gray { moxcms::Layout::Gray } else { moxcms::Layout::Rgb }
}

fn cms_layout(layout: Layout) -> moxcms::Layout {
    if layout.has_alpha() { moxcms::Layout::Rgba } else { moxcms::Layout::Rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(layout: Layout, samples: Samples) -> Picture {
        Picture { width: 2, height: 1, layout, samples }
    }

    fn icc(profile: &ColorProfile) -> Profile {
        Profile::from_icc(&profile.encode().unwrap())
    }

    #[test]
    fn adobe_rgb_green_becomes_a_stronger_srgb_green() {
        let adobe = icc(&ColorProfile::new_adobe_rgb());
        let before = picture(Layout::Rgb, Samples::U8(vec![100, 180, 100, 128, 128, 128]));
        let Samples::U8(after) = to_srgb(before, &adobe).unwrap().samples else { panic!("the depth changed") };
        assert!(after[0] < 80 && after[1].abs_diff(180) <= 2, "{after:?}");
        assert!(after[3..].iter().all(|level| level.abs_diff(128) <= 2), "grey stays grey: {after:?}");
    }

    #[test]
    fn alpha_is_kept() {
        let p3 = icc(&ColorProfile::new_display_p3());
        let before = picture(Layout::Rgba, Samples::U8(vec![200, 50, 50, 77, 10, 200, 10, 0]));
        let Samples::U8(after) = to_srgb(before, &p3).unwrap().samples else { panic!("the depth changed") };
        assert_eq!((after[3], after[7]), (77, 0));
        assert!(after[0] > 205, "{after:?}");
    }

    #[test]
    fn sixteen_bits_stay_sixteen_bits() {
        let adobe = icc(&ColorProfile::new_adobe_rgb());
        let before = picture(Layout::Rgb, Samples::U16(vec![30_000, 30_100, 30_000, 30_000, 30_200, 30_000]));
        let Samples::U16(after) = to_srgb(before, &adobe).unwrap().samples else { panic!("the depth changed") };
        assert!(after[1] < after[4], "steps finer than 8 bits survive: {after:?}");
    }

    #[test]
    fn a_linear_grey_gets_lighter_and_stays_grey() {
        let linear = icc(&ColorProfile::new_gray_with_gamma(1.0));
        let before = picture(Layout::GrayAlpha, Samples::U8(vec![55, 200, 0, 100]));
        let after = to_srgb(before, &linear).unwrap();
        assert_eq!(after.layout, Layout::GrayAlpha);
        let Samples::U8(after) = after.samples else { panic!("the depth changed") };
        assert!((125..=130).contains(&after[0]), "{after:?}");
        assert_eq!(after[1..], [200, 0, 100]);
    }

    #[test]
    fn a_grey_picture_with_an_rgb_profile_stays_grey() {
        let adobe = icc(&ColorProfile::new_adobe_rgb());
        let before = picture(Layout::Gray, Samples::U8(vec![128, 0]));
        let Samples::U8(after) = to_srgb(before, &adobe).unwrap().samples else { panic!("the depth changed") };
        assert!(after[0].abs_diff(128) <= 2 && after[1] == 0, "{after:?}");
    }

    #[test]
    fn a_grey_profile_on_colours_changes_nothing() {
        let grey = icc(&ColorProfile::new_gray_with_gamma(1.0));
        let before = picture(Layout::Rgb, Samples::U8(vec![10, 20, 30, 40, 50, 60]));
        assert_eq!(to_srgb(before.clone(), &grey).unwrap(), before);
    }
}

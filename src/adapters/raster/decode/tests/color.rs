use moxcms::ColorProfile;

use super::jpeg::with_segment;
use super::*;
use crate::adapters::raster::color::to_srgb;

/// A JPEG whose samples are to be read by a profile.
fn jpeg_with(profile: &ColorProfile, layout: Layout) -> Vec<u8> {
    let file = written(&picture(48, 32, layout), &EncodeSettings { quality: 95, ..settings(Format::Jpeg) });
    with_segment(&file, 0xE2, &[b"ICC_PROFILE\0\x01\x01", &profile.encode().unwrap()])
}

#[test]
fn an_embedded_profile_is_found_and_changes_the_colours() {
    let file = jpeg_with(&ColorProfile::new_adobe_rgb(), Layout::Rgb);
    let decoded = read(&file, &Want { planes: true, ..Want::default() }).unwrap();
    assert!(!decoded.profile.is_srgb());
    let profile = decoded.profile.clone();
    let before = picture_of(decoded);
    let after = to_srgb(before.clone(), &profile).unwrap();
    assert!(psnr(&before, &after) < 35.0, "Adobe RGB shown as sRGB would look pale");
}

#[test]
fn a_profile_of_srgb_leaves_the_planes_alone() {
    let file = jpeg_with(&ColorProfile::new_srgb(), Layout::Rgb);
    let decoded = read(&file, &Want { planes: true, ..Want::default() }).unwrap();
    assert!(decoded.profile.is_srgb());
    assert!(matches!(decoded.pixels, Pixels::Planes(_)));
}

#[test]
fn a_profile_split_over_two_segments_is_put_together_in_order() {
    let file = written(&picture(16, 16, Layout::Rgb), &settings(Format::Jpeg));
    let icc = ColorProfile::new_display_p3().encode().unwrap();
    let (first, second) = icc.split_at(100);
    // The segment that is inserted last comes first in the file.
    let file = with_segment(&file, 0xE2, &[b"ICC_PROFILE\0\x01\x02", first]);
    let file = with_segment(&file, 0xE2, &[b"ICC_PROFILE\0\x02\x02", second]);
    assert!(!read(&file, &Want::default()).unwrap().profile.is_srgb());
}

#[test]
fn png_profiles_are_found() {
    let mut file = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut file);
    let icc = ColorProfile::new_pro_photo_rgb().encode().unwrap();
    image::ImageEncoder::set_icc_profile(&mut encoder, icc).unwrap();
    image::ImageEncoder::write_image(encoder, &[10, 200, 30], 1, 1, image::ExtendedColorType::Rgb8).unwrap();
    assert!(!read(&file, &Want::default()).unwrap().profile.is_srgb());
}

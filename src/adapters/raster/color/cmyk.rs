use moxcms::{ColorProfile, DataColorSpace, Layout};

use super::convert::by_intent;

/// Converts CMYK inks (255 is full ink) to sRGB: by the embedded profile where there is one for CMYK, by the plain
/// formula otherwise. `width` is the pixels of one row.
pub(in crate::adapters::raster) fn cmyk_to_srgb(inks: &[u8], width: u32, icc: Option<&[u8]>) -> Vec<u8> {
    icc.and_then(|icc| by_profile(inks, width, icc)).unwrap_or_else(|| by_formula(inks))
}

fn by_profile(inks: &[u8], width: u32, icc: &[u8]) -> Option<Vec<u8>> {
    let profile = ColorProfile::new_from_slice(icc).ok()?;
    if profile.color_space != DataColorSpace::Cmyk {
        return None;
    }
    let srgb = ColorProfile::new_srgb();
    let create = |options| profile.create_transform_8bit(Layout::Rgba, &srgb, Layout::Rgb, options);
    let transform = by_intent(create).ok()?;
    let mut rgb = vec![0; inks.len() / 4 * 3];
    let rows = inks.chunks_exact(width as usize * 4).zip(rgb.chunks_exact_mut(width as usize * 3));
    for (inks, rgb) in rows {
        transform.transform(inks, rgb).ok()?;
    }
    Some(rgb)
}

fn by_formula(inks: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(inks.len() / 4 * 3);
    for ink in inks.as_chunks::<4>().0 {
        let light = |ink: u8, black: u8| {
            let product = u32::from(255 - ink) * u32::from(255 - black);
            // At most 255, so the cast keeps everything.
            ((product + 127) / 255) as u8
        };
        rgb.extend([light(ink[0], ink[3]), light(ink[1], ink[3]), light(ink[2], ink[3])]);
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_profile_the_plain_formula_holds() {
        let inks = [0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 255, 0, 128];
        assert_eq!(cmyk_to_srgb(&inks, 4, None), [255, 255, 255, 0, 255, 255, 0, 0, 0, 127, 0, 127]);
    }

    #[test]
    fn a_profile_for_something_else_is_ignored() {
        let icc = ColorProfile::new_srgb().encode().unwrap();
        assert_eq!(cmyk_to_srgb(&[0, 0, 0, 0], 1, Some(&icc)), [255, 255, 255]);
    }
}

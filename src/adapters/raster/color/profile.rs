use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, Layout, MatrixCoefficients, TransferCharacteristics,
    TransformOptions,
};

/// Differences up to this, of 255, in one channel are invisible; the many "sRGB" profiles differ among each other by as
/// much.
const SAME_COLOR: u8 = 2;

/// What the samples of a decoded picture mean.
#[derive(Clone, Debug, Default)]
pub enum Profile {
    /// sRGB, or so close to it that nobody can tell; also every picture that does not say.
    #[default]
    Srgb,
    /// Anything else that [`to_srgb`](super::to_srgb) has to convert.
    Icc(Box<ColorProfile>),
}

impl Profile {
    /// Whether [`to_srgb`](super::to_srgb) has nothing to do.
    pub fn is_srgb(&self) -> bool {
        matches!(self, Self::Srgb)
    }

    /// Reads an embedded profile of an RGB or grey picture. One that cannot be read, or is meant for something else, is
    /// ignored as viewers do.
    pub(in crate::adapters::raster) fn from_icc(icc: &[u8]) -> Self {
        let Ok(profile) = ColorProfile::new_from_slice(icc) else { return Self::Srgb };
        match profile.color_space {
            DataColorSpace::Rgb if is_like_srgb(&profile) => Self::Srgb,
            DataColorSpace::Rgb | DataColorSpace::Gray => Self::Icc(Box::new(profile)),
            _ => Self::Srgb,
        }
    }

    /// The profile for the code points of ITU-T H.273 that AVIF carries. Unspecified ones mean sRGB.
    pub(in crate::adapters::raster) fn from_code_points(primaries: u8, transfer: u8) -> Self {
        // 1, 6, 14 and 15 are the camera curves of video; pictures that carry them were made for sRGB displays.
        let is_srgb_curve = matches!(transfer, 0..=2 | 6 | 13..=15);
        if matches!(primaries, 0..=2) && is_srgb_curve {
            return Self::Srgb;
        }
        let transfer = if is_srgb_curve { 13 } else { transfer };
        let primaries = if primaries == 2 { 1 } else { primaries };
        let (Ok(color_primaries), Ok(transfer_characteristics)) =
            (CicpColorPrimaries::try_from(primaries), TransferCharacteristics::try_from(transfer))
        else {
            return Self::Srgb;
        };
        Self::Icc(Box::new(ColorProfile::new_from_cicp(CicpProfile {
            color_primaries,
            transfer_characteristics,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        })))
    }
}

/// Converts a handful of colours and looks whether they stay. Cheap: most other profiles differ in the first check.
fn is_like_srgb(profile: &ColorProfile) -> bool {
    let srgb = ColorProfile::new_srgb();
    let close =
        |a: moxcms::Xyzd, b: moxcms::Xyzd| (a.x - b.x).abs().max((a.y - b.y).abs()).max((a.z - b.z).abs()) < 0.01;
    let colorants_close = close(profile.red_colorant, srgb.red_colorant)
        && close(profile.green_colorant, srgb.green_colorant)
        && close(profile.blue_colorant, srgb.blue_colorant);
    if !colorants_close {
        return false;
    }
    let Ok(transform) = profile.create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default())
    else {
        return false;
    };
    let levels = [0, 12, 50, 100, 150, 200, 255];
    let before: Vec<u8> = levels
        .iter()
        .flat_map(|&r| levels.iter().flat_map(move |&g| [[r, g, g], [g, r, g], [r, r, g]]))
        .flatten()
        .collect();
    let mut after = vec![0; before.len()];
    transform.transform(&before, &mut after).is_ok()
        && before.iter().zip(&after).all(|(before, after)| before.abs_diff(*after) <= SAME_COLOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_srgb_profile_needs_no_conversion() {
        let icc = ColorProfile::new_srgb().encode().unwrap();
        assert!(Profile::from_icc(&icc).is_srgb());
    }

    #[test]
    fn wider_profiles_need_one() {
        for profile in
            [ColorProfile::new_adobe_rgb(), ColorProfile::new_display_p3(), ColorProfile::new_pro_photo_rgb()]
        {
            assert!(!Profile::from_icc(&profile.encode().unwrap()).is_srgb());
        }
    }

    #[test]
    fn garbage_is_taken_for_srgb() {
        assert!(Profile::from_icc(b"not a profile").is_srgb());
        assert!(Profile::from_icc(&[]).is_srgb());
    }

    #[test]
    fn code_points_of_srgb_and_of_unspecified_are_srgb() {
        assert!(Profile::from_code_points(1, 13).is_srgb());
        assert!(Profile::from_code_points(2, 2).is_srgb());
        assert!(Profile::from_code_points(1, 1).is_srgb());
        assert!(!Profile::from_code_points(12, 13).is_srgb());
        assert!(!Profile::from_code_points(9, 16).is_srgb());
    }
}

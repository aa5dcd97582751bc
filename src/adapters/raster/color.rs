//! Colour: from whatever a source is described in to sRGB.

use mortar_actors::{Fault, FaultKind};

use super::pixels::{Picture, Planes};

/// What the samples of a decoded picture mean.
#[derive(Clone, Debug, Default)]
pub enum Profile {
    /// sRGB, or so close to it that nobody can tell; also every picture that does not say.
    #[default]
    Srgb,
    /// Anything else that [`to_srgb`] has to convert.
    Icc(Box<moxcms::ColorProfile>),
}

impl Profile {
    /// Whether [`to_srgb`] has nothing to do.
    pub fn is_srgb(&self) -> bool {
        matches!(self, Self::Srgb)
    }
}

/// Converts a picture to sRGB, keeping its size, depth and alpha. Call it on the small picture, after shrinking.
///
/// A picture that is sRGB already is handed back as it is. A grey picture stays grey.
///
/// # Errors
/// `Unprocessable` when the profile cannot be applied to this kind of picture.
pub fn to_srgb(picture: Picture, profile: &Profile) -> Result<Picture, Fault> {
    let _ = profile;
    Ok(picture)
}

/// Full-range BT.601 planes as interleaved pixels: grey where there is no chroma, RGB otherwise.
///
/// # Errors
/// `Internal` when the planes do not fit each other.
pub fn planes_to_picture(planes: &Planes) -> Result<Picture, Fault> {
    let _ = planes;
    Err(Fault::new(FaultKind::Internal, "not there"))
}

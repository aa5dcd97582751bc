//! Colour: from whatever a source is described in to sRGB.

mod cmyk;
mod convert;
mod profile;

use mortar_actors::{Fault, FaultKind};

pub(super) use cmyk::cmyk_to_srgb;
pub use convert::to_srgb;
pub use profile::Profile;

use super::ffi::turbo;
use super::pixels::{Layout, Picture, Planes, Samples};

/// Full-range BT.601 planes as interleaved pixels: grey where there is no chroma, RGB otherwise.
///
/// # Errors
/// `Internal` when the planes do not fit each other.
pub fn planes_to_picture(planes: &Planes) -> Result<Picture, Fault> {
    let (width, height) = (planes.width, planes.height);
    if planes.chroma.is_none() {
        return Ok(Picture { width, height, layout: Layout::Gray, samples: Samples::U8(planes.luma.samples.clone()) });
    }
    let samples = turbo::planes_to_picture(planes)
        .map_err(|error| Fault::new(FaultKind::Internal, "the picture cannot be converted").caused_by(error))?;
    Ok(Picture { width, height, layout: Layout::Rgb, samples: Samples::U8(samples) })
}

//! Colour: from whatever a source is described in to sRGB.

mod cmyk;
mod convert;
mod profile;
mod upsample;

use mortar_actors::{Fault, FaultKind};

pub(super) use cmyk::cmyk_to_srgb;
pub use convert::to_srgb;
pub use profile::Profile;
pub(super) use upsample::upsampled;

use super::ffi::turbo;
use super::pixels::{Layout, Picture, Plane, Planes, Samples};

/// Full-range BT.601 planes as interleaved pixels: grey where there is no chroma, RGB otherwise.
///
/// # Errors
/// `Internal` when the planes do not fit each other.
pub fn planes_to_picture(planes: &Planes) -> Result<Picture, Fault> {
    let (width, height) = (planes.width, planes.height);
    let unfit = || Fault::new(FaultKind::Internal, "the picture's planes do not fit each other");
    let Some(chroma) = &planes.chroma else {
        return Ok(Picture { width, height, layout: Layout::Gray, samples: Samples::U8(planes.luma.samples.clone()) });
    };
    planes.subsampling().ok_or_else(unfit)?;
    // The library would only repeat chroma samples, which shows as steps along coloured edges.
    let full = chroma.each_ref().map(|plane| Plane {
        width,
        height,
        samples: upsampled(&plane.samples, plane.width, (width, height)),
    });
    let samples = turbo::planes_to_rgb(&planes.luma, &full).map_err(|error| unfit().caused_by(error))?;
    Ok(Picture { width, height, layout: Layout::Rgb, samples: Samples::U8(samples) })
}

//! Premultiplication: colours must carry their alpha as weight wherever pixels are mixed, or edges get fringes.

use fast_image_resize::images::Image;
use fast_image_resize::{MulDiv, PixelType};
use mortar_actors::{Fault, FaultKind};

use super::pixels::{Layout, Picture, Samples};

/// Multiplies the colours by their alpha, in place. Opaque layouts are left alone.
///
/// # Errors
/// `Internal` for a picture whose samples do not fill it.
pub(super) fn premultiply(picture: &mut Picture) -> Result<(), Fault> {
    if !picture.layout.has_alpha() {
        return Ok(());
    }
    MulDiv::new().multiply_alpha_inplace(&mut image_mut(picture)?).map_err(broken)
}

/// Divides the colours by their alpha again, in place.
///
/// # Errors
/// `Internal` for a picture whose samples do not fill it.
pub(super) fn unpremultiply(picture: &mut Picture) -> Result<(), Fault> {
    if !picture.layout.has_alpha() {
        return Ok(());
    }
    MulDiv::new().divide_alpha_inplace(&mut image_mut(picture)?).map_err(broken)
}

/// The picture as the resampling crate sees it.
///
/// # Errors
/// `Internal` for a picture whose samples do not fill it.
pub(super) fn image_mut(picture: &mut Picture) -> Result<Image<'_>, Fault> {
    let pixel_type = pixel_type(picture);
    let bytes = match &mut picture.samples {
        Samples::U8(samples) => samples.as_mut_slice(),
        Samples::U16(samples) => bytemuck::cast_slice_mut(samples),
    };
    Image::from_slice_u8(picture.width, picture.height, bytes, pixel_type).map_err(broken)
}

/// The name of this layout and depth in the resampling crate.
pub(super) fn pixel_type(picture: &Picture) -> PixelType {
    match (&picture.samples, picture.layout) {
        (Samples::U8(_), Layout::Gray) => PixelType::U8,
        (Samples::U8(_), Layout::GrayAlpha) => PixelType::U8x2,
        (Samples::U8(_), Layout::Rgb) => PixelType::U8x3,
        (Samples::U8(_), Layout::Rgba) => PixelType::U8x4,
        (Samples::U16(_), Layout::Gray) => PixelType::U16,
        (Samples::U16(_), Layout::GrayAlpha) => PixelType::U16x2,
        (Samples::U16(_), Layout::Rgb) => PixelType::U16x3,
        (Samples::U16(_), Layout::Rgba) => PixelType::U16x4,
    }
}

/// A picture or plane that does not hold what its size promises.
pub(super) fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::new(FaultKind::Internal, "the picture could not be processed").caused_by(cause)
}

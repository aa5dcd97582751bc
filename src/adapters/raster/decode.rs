//! Decoding: one door for every format.

mod avif;
mod jpeg;
mod raster_files;
mod webp;

use std::error::Error;

use mortar_actors::{Fault, FaultKind};

use super::color::Profile;
use super::metadata::Exif;
use super::pixels::Pixels;
use super::probe::{Header, SourceFormat};

/// What the caller can use, so that the decoder may do less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// The smallest size (as stored, before the orientation) that serves. A decoder that can shrink for nothing hands
    /// out any size at least as large, never smaller, and never larger than the source. `None` asks for the full size.
    pub at_least: Option<(u32, u32)>,
    /// Whether YCbCr planes are welcome. They come only when the source has them and they are sRGB.
    pub planes: bool,
    /// Whether the EXIF block is wanted.
    pub exif: bool,
}

/// What a source may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most pixels of one picture, width x height, by header.
    pub pixels: u64,
    /// Most frames of an animation.
    pub frames: u32,
}

/// A decoded picture, still in its own colour space and as stored (not turned).
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The pixels; as large as the header says, or smaller if [`Want::at_least`] allowed it.
    pub pixels: Pixels,
    /// What the samples mean. Always sRGB for planes and for what was CMYK.
    pub profile: Profile,
    /// The EXIF block, where the source has one and it was wanted, made upright.
    pub exif: Option<Exif>,
}

/// Decodes the picture, or the first frame of an animation.
///
/// # Errors
/// `Unprocessable` for a source that is corrupt, cut off, or beyond `limits`: never a picture with a part missing.
pub fn decode(source: &[u8], header: &Header, want: &Want, limits: &DecodeLimits) -> Result<Decoded, Fault> {
    check_size((header.width, header.height), limits)?;
    match header.format {
        SourceFormat::Jpeg => jpeg::decode(source, want, limits),
        SourceFormat::Webp => webp::decode(source, header, want),
        SourceFormat::Avif => avif::decode(source, want, limits),
        SourceFormat::Png => raster_files::png(source, want, limits),
        SourceFormat::Gif => raster_files::gif(source, limits),
        SourceFormat::Tiff => raster_files::tiff(source, limits),
        SourceFormat::Bmp => raster_files::bmp(source, limits),
    }
}

/// Refuses more pixels than allowed.
pub(super) fn check_size((width, height): (u32, u32), limits: &DecodeLimits) -> Result<(), Fault> {
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(Fault::new(FaultKind::Unprocessable, "the picture has more pixels than allowed"));
    }
    Ok(())
}

/// The decoder says that the source is no whole picture.
pub(super) fn broken(message: &'static str, error: impl Into<Box<dyn Error + Send + Sync>>) -> Fault {
    Fault::new(FaultKind::Unprocessable, message).caused_by(error)
}

#[cfg(test)]
mod tests;

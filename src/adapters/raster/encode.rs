//! Encoding: one door for every format.

mod avif;
mod chroma;
mod gif;
mod jpeg;
mod png;
mod shallow;
mod webp;

use std::error::Error;

use bytes::Bytes;
use mortar_actors::{Fault, FaultKind, StopFlag};

pub(super) use self::chroma::FULL_FROM_QUALITY;
pub(super) use self::gif::{SPEED as GIF_SPEED, harden_alpha};
use super::metadata::Exif;
use super::pixels::Pixels;
use crate::domain::plan::Format;

/// How to encode. Equal pixels and settings give equal bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeSettings {
    /// The format to write.
    pub format: Format,
    /// 1 to 100; PNG and GIF ignore it.
    pub quality: u8,
    /// Progressive JPEG; other formats ignore it.
    pub interlace: bool,
    /// The EXIF block to write; GIF and animations have no place for one.
    pub exif: Option<Exif>,
    /// WebP effort: 0 (fast) to 6 (small).
    pub webp_method: u8,
    /// AVIF speed: 5 (small) to 10 (fast).
    pub avif_speed: u8,
    /// PNG compression: 1 (fast) to 9 (small).
    pub png_compression: u8,
}

/// Encodes one picture, which must be sRGB.
///
/// Planes go into JPEG, AVIF and WebP as they are, but for chroma that is finer than the quality is worth. JPEG has no alpha:
/// the picture is laid on white. GIF knows only fully transparent pixels.
///
/// # Errors
/// `Invalid` for a picture too large for the format, `Cancelled` or `TimedOut` when `stop` was raised in between.
pub fn encode(pixels: &Pixels, settings: &EncodeSettings, stop: &StopFlag) -> Result<Bytes, Fault> {
    stop.check()?;
    check_size(pixels.size(), settings.format)?;
    match settings.format {
        Format::Jpeg => jpeg::encode(pixels, settings),
        Format::Png => png::encode(pixels, settings),
        Format::Webp => webp::encode(pixels, settings, stop),
        Format::Avif => avif::encode(pixels, settings, stop),
        Format::Gif => gif::encode(pixels),
    }
}

/// Refuses what the format cannot express.
pub(super) fn check_size((width, height): (u32, u32), format: Format) -> Result<(), Fault> {
    let (longest, message) = match format {
        Format::Jpeg => (65_500, "a JPEG has at most 65500 pixels on a side"),
        Format::Webp => (16_383, "a WebP picture has at most 16383 pixels on a side"),
        Format::Avif => (65_536, "an AVIF picture has at most 65536 pixels on a side"),
        Format::Gif => (65_535, "a GIF has at most 65535 pixels on a side"),
        Format::Png => (0x7FFF_FFFF, "a PNG has at most 2147483647 pixels on a side"),
    };
    if width.max(height) > longest {
        return Err(Fault::new(FaultKind::Invalid, message));
    }
    Ok(())
}

/// An encoder failed on a picture that it should be able to write.
pub(super) fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Fault {
    Fault::new(FaultKind::Internal, "the picture cannot be encoded").caused_by(error)
}

#[cfg(test)]
mod tests;

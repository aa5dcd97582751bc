//! Decoding: one door for every format.

mod jpeg;

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
#[derive(Debug)]
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
    if u64::from(header.width) * u64::from(header.height) > limits.pixels {
        return Err(Fault::new(FaultKind::Unprocessable, "the picture has more pixels than allowed"));
    }
    match header.format {
        SourceFormat::Jpeg => jpeg::decode(source, want, limits),
        _ => Err(Fault::new(FaultKind::Unprocessable, "later")),
    }
}

//! Watermarks: decoded once, laid over many pictures.

mod lay;

use std::sync::OnceLock;

use bytes::Bytes;
pub(super) use lay::lay_over;
use mortar_actors::{Fault, FaultKind};

use super::color::{planes_to_picture, to_srgb};
use super::decode::{DecodeLimits, Want, decode};
use super::limits::{check_source, decode_limits};
use super::pixels::{Layout, Picture, Pixels, Samples};
use super::probe::{Header, probe};
use super::rotate::{Turn, turn_picture};
use crate::config::LimitsConfig;

/// A watermark: encoded until the first render needs it, from then on decoded and shared.
#[derive(Debug)]
pub struct Overlay {
    source: Bytes,
    header: Header,
    limits: DecodeLimits,
    decoded: OnceLock<Result<Picture, Fault>>,
}

impl Overlay {
    /// Reads the header and keeps the encoded picture; nothing is decoded yet.
    ///
    /// # Errors
    /// `TooLarge` for more bytes than `limits.watermark_bytes`, `Unprocessable` for a source that is no picture or has
    /// too many pixels.
    pub fn new(source: Bytes, limits: &LimitsConfig) -> Result<Self, Fault> {
        if source.len() as u64 > limits.watermark_bytes {
            let message =
                format!("the watermark has {} bytes; at most {} are accepted", source.len(), limits.watermark_bytes);
            return Err(Fault::new(FaultKind::TooLarge, message));
        }
        let header = probe(&source)?;
        check_source(limits, &header)?;
        Ok(Self { source, header, limits: decode_limits(limits), decoded: OnceLock::new() })
    }

    /// Bytes the overlay takes while it is kept, encoded and decoded.
    pub fn weight(&self) -> u64 {
        self.source.len() as u64 + self.decoded_bytes()
    }

    /// Bytes of the decoded picture: RGBA with eight bits.
    pub(super) fn decoded_bytes(&self) -> u64 {
        u64::from(self.header.width) * u64::from(self.header.height) * 4
    }

    /// The picture, upright, sRGB, RGBA with eight bits; decoded once, whoever asks.
    ///
    /// # Errors
    /// `Unprocessable` for a source that cannot be decoded.
    pub(super) fn picture(&self) -> Result<&Picture, Fault> {
        self.decoded.get_or_init(|| self.decode()).as_ref().map_err(Clone::clone)
    }

    fn decode(&self) -> Result<Picture, Fault> {
        let decoded = decode(&self.source, &self.header, &Want::default(), &self.limits)?;
        let picture = match decoded.pixels {
            Pixels::Picture(picture) => to_srgb(picture, &decoded.profile)?,
            Pixels::Planes(planes) => planes_to_picture(&planes)?,
        };
        Ok(to_rgba8(turn_picture(picture, Turn::from_orientation(self.header.orientation))))
    }
}

fn to_rgba8(picture: Picture) -> Picture {
    let samples = match picture.samples {
        Samples::U8(samples) => samples,
        Samples::U16(samples) => samples.into_iter().map(|sample| (sample >> 8) as u8).collect(),
    };
    let samples = match picture.layout {
        Layout::Rgba => samples,
        Layout::Rgb => widen(&samples, |[red, green, blue]| [red, green, blue, u8::MAX]),
        Layout::Gray => widen(&samples, |[gray]| [gray, gray, gray, u8::MAX]),
        Layout::GrayAlpha => widen(&samples, |[gray, alpha]| [gray, gray, gray, alpha]),
    };
    Picture { layout: Layout::Rgba, samples: Samples::U8(samples), ..picture }
}

/// Pixels of `IN` samples as pixels of `OUT` samples.
fn widen<T: Copy, const IN: usize, const OUT: usize>(samples: &[T], pixel: impl Fn([T; IN]) -> [T; OUT]) -> Vec<T> {
    let (pixels, _) = samples.as_chunks::<IN>();
    pixels.iter().flat_map(|samples| pixel(*samples)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> LimitsConfig {
        LimitsConfig {
            source_bytes: 1_000,
            source_pixels: 1_000,
            output_side: 100,
            output_pixels: 1_000,
            frames: 1,
            watermark_bytes: 10,
            operations: 4,
            render_memory_bytes: 1_000_000,
        }
    }

    #[test]
    fn a_watermark_of_too_many_bytes_is_refused() {
        let fault = Overlay::new(Bytes::from_static(&[0; 11]), &limits()).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::TooLarge);
    }

    #[test]
    fn a_watermark_that_is_no_picture_is_refused() {
        let fault = Overlay::new(Bytes::from_static(b"not"), &limits()).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unprocessable);
    }

    #[test]
    fn every_layout_becomes_rgba() {
        let rgba = |layout, samples| to_rgba8(Picture { width: 1, height: 1, layout, samples }).samples;
        assert_eq!(rgba(Layout::Gray, Samples::U8(vec![9])), Samples::U8(vec![9, 9, 9, 255]));
        assert_eq!(rgba(Layout::GrayAlpha, Samples::U8(vec![9, 8])), Samples::U8(vec![9, 9, 9, 8]));
        assert_eq!(
            rgba(Layout::Rgb, Samples::U16(vec![0x1234, 0x5678, 0xffff])),
            Samples::U8(vec![0x12, 0x56, 255, 255])
        );
    }
}

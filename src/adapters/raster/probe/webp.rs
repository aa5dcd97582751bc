//! WebP: the RIFF chunks.

use std::borrow::Cow;

use mortar_actors::Fault;

use super::{Header, SourceFormat, corrupt};
use crate::adapters::raster::metadata::{Embedded, Orientation};

const RIFF_HEADER: usize = 12;
const ANIMATED: u8 = 0x02;
const ALPHA: u8 = 0x10;

/// Type and content of each chunk; the last one may be cut off.
struct Chunks<'source>(&'source [u8]);

pub(super) fn probe(source: &[u8]) -> Result<Header, Fault> {
    let (mut canvas, mut frames, mut orientation) = (None, 0_u32, Orientation::Upright);
    for (kind, content) in Chunks::new(source) {
        match kind {
            b"VP8X" | b"VP8 " | b"VP8L" if canvas.is_none() => canvas = Some(canvas_of(kind, content)),
            b"ANMF" => frames = frames.saturating_add(1),
            b"EXIF" => orientation = Orientation::of_exif(content),
            _ => {}
        }
    }
    let (width, height, flags) = canvas.flatten().ok_or_else(|| corrupt("the WebP ends before its picture begins"))?;
    Ok(Header {
        format: SourceFormat::Webp,
        width,
        height,
        orientation,
        frames: if flags & ANIMATED == 0 { 1 } else { frames.max(1) },
        has_alpha: flags & ALPHA != 0,
        bit_depth: 8,
        progressive: false,
    })
}

/// Whether the file is an animation, even if of one frame.
pub(in crate::adapters::raster) fn is_animated(source: &[u8]) -> bool {
    Chunks::new(source)
        .next()
        .is_some_and(|(kind, content)| kind == b"VP8X" && content.first().is_some_and(|flags| flags & ANIMATED != 0))
}

/// The colour profile and the EXIF block.
pub(in crate::adapters::raster) fn embedded(source: &[u8]) -> Embedded<'_> {
    let mut embedded = Embedded::default();
    for (kind, content) in Chunks::new(source) {
        match kind {
            b"ICCP" => embedded.icc = Some(Cow::Borrowed(content)),
            b"EXIF" => embedded.exif = Some(Cow::Borrowed(content)),
            _ => {}
        }
    }
    embedded
}

/// Width, height and the flags of the extended header, as each of the three beginnings tells them.
fn canvas_of(kind: &[u8; 4], content: &[u8]) -> Option<(u32, u32, u8)> {
    match kind {
        b"VP8X" => {
            let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = content.first_chunk()?;
            let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
            Some((side(w0, w1, w2), side(h0, h1, h2), flags))
        }
        b"VP8 " => {
            let &[_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = content.first_chunk()? else { return None };
            // The two upper bits ask for upscaling, which nobody does.
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            Some((side(w0, w1), side(h0, h1), 0))
        }
        _ => {
            let &[0x2F, b0, b1, b2, b3] = content.first_chunk()? else { return None };
            let bits = u32::from_le_bytes([b0, b1, b2, b3]);
            let flags = if bits >> 28 & 1 == 1 { ALPHA } else { 0 };
            Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, flags))
        }
    }
}

impl<'source> Chunks<'source> {
    fn new(source: &'source [u8]) -> Self {
        Self(source.get(RIFF_HEADER..).unwrap_or_default())
    }
}

impl<'source> Iterator for Chunks<'source> {
    type Item = (&'source [u8; 4], &'source [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.0.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let content = &rest[..length.min(rest.len())];
        self.0 = rest.get(length.saturating_add(length % 2)..).unwrap_or_default();
        Some((kind, content))
    }
}

//! PNG: the chunks.

use std::borrow::Cow;

use mortar_actors::Fault;

use super::{Header, SourceFormat, corrupt};
use crate::adapters::raster::metadata::Orientation;

const SIGNATURE: usize = 8;

/// Type and content of each chunk; ends where the file is cut off.
struct Chunks<'source>(&'source [u8]);

pub(super) fn probe(source: &[u8]) -> Result<Header, Fault> {
    let (mut header, mut transparent, mut orientation) = (None, false, Orientation::Upright);
    for (kind, content) in Chunks::new(source) {
        match kind {
            b"IHDR" => header = content.first_chunk::<13>(),
            b"tRNS" => transparent = true,
            b"eXIf" => orientation = Orientation::of_exif(content),
            _ => {}
        }
    }
    let &[w3, w2, w1, w0, h3, h2, h1, h0, bit_depth, color, ..] =
        header.ok_or_else(|| corrupt("the PNG has no header"))?;
    Ok(Header {
        format: SourceFormat::Png,
        width: u32::from_be_bytes([w3, w2, w1, w0]),
        height: u32::from_be_bytes([h3, h2, h1, h0]),
        orientation,
        frames: 1,
        has_alpha: transparent || matches!(color, 4 | 6),
        bit_depth,
        progressive: false,
    })
}

/// The EXIF block.
pub(in crate::adapters::raster) fn exif(source: &[u8]) -> Option<Cow<'_, [u8]>> {
    Chunks::new(source).find(|(kind, _)| *kind == b"eXIf").map(|(_, content)| Cow::Borrowed(content))
}

impl<'source> Chunks<'source> {
    fn new(source: &'source [u8]) -> Self {
        Self(source.get(SIGNATURE..).unwrap_or_default())
    }
}

impl<'source> Iterator for Chunks<'source> {
    type Item = (&'source [u8; 4], &'source [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (content, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        // The checksum is the decoder's business.
        self.0 = rest.get(4..).unwrap_or_default();
        Some((kind, content))
    }
}

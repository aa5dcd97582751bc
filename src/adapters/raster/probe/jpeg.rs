//! JPEG: the segments before the first scan.

use std::borrow::Cow;

use mortar_actors::Fault;

use super::{Header, SourceFormat, corrupt, unsupported};
use crate::adapters::raster::metadata::{EXIF_PREFIX, Embedded, Orientation};

const ICC_PREFIX: &[u8] = b"ICC_PROFILE\0";
/// A profile has at most 255 segments; real ones are far smaller than this.
const MAX_ICC_BYTES: usize = 4 << 20;

/// A marker and what belongs to it.
#[derive(Clone, Copy, Debug)]
struct Segment<'source> {
    marker: u8,
    payload: &'source [u8],
}

/// Walks the segments from the start of the file to the first scan.
#[derive(Clone, Debug)]
struct Segments<'source> {
    rest: &'source [u8],
}

pub(super) fn probe(source: &[u8]) -> Result<Header, Fault> {
    let mut orientation = Orientation::Upright;
    for segment in Segments::new(source) {
        if let Some(block) = segment.exif() {
            orientation = Orientation::of_exif(block);
        }
        if segment.is_frame_header() {
            return frame_header(segment, orientation);
        }
    }
    Err(corrupt("the JPEG ends before its picture begins"))
}

/// The colour profile and the EXIF block.
pub(in crate::adapters::raster) fn embedded(source: &[u8]) -> Embedded<'_> {
    let mut embedded = Embedded::default();
    let mut profile: Vec<(u8, &[u8])> = Vec::new();
    for segment in Segments::new(source) {
        if let Some(part) = segment.icc_part() {
            profile.push(part);
        } else if embedded.exif.is_none() {
            embedded.exif = segment.exif().map(Cow::Borrowed);
        }
    }
    embedded.icc = join_profile(profile);
    embedded
}

/// Whether CMYK samples are stored inverted, as every Adobe program does.
pub(in crate::adapters::raster) fn has_adobe_marker(source: &[u8]) -> bool {
    Segments::new(source).any(|segment| segment.marker == 0xEE && segment.payload.starts_with(b"Adobe"))
}

fn frame_header(segment: Segment<'_>, orientation: Orientation) -> Result<Header, Fault> {
    let &[bit_depth, h1, h0, w1, w0, components, ..] = segment.payload else {
        return Err(corrupt("the JPEG's header is too short"));
    };
    let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
    let progressive = matches!(segment.marker, 0xC2 | 0xCA);
    if !matches!(segment.marker, 0xC0..=0xC2 | 0xC9 | 0xCA) {
        return Err(unsupported("lossless and hierarchical JPEG are not supported"));
    }
    if bit_depth != 8 {
        return Err(unsupported("JPEG with more than 8 bits per sample is not supported"));
    }
    if !matches!(components, 1 | 3 | 4) {
        return Err(unsupported("JPEG with this number of components is not supported"));
    }
    Ok(Header {
        format: SourceFormat::Jpeg,
        width: u32::from(width),
        height: u32::from(height),
        orientation,
        frames: 1,
        has_alpha: false,
        bit_depth,
        progressive,
    })
}

fn join_profile(mut parts: Vec<(u8, &[u8])>) -> Option<Cow<'_, [u8]>> {
    // Programs do not always write them in order; the sort is stable, so repeated numbers stay as found.
    parts.sort_by_key(|(number, _)| *number);
    let length: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
    match parts.as_slice() {
        [] => None,
        _ if length > MAX_ICC_BYTES => None,
        [(_, only)] => Some(Cow::Borrowed(only)),
        many => Some(Cow::Owned(many.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect())),
    }
}

impl<'source> Segment<'source> {
    /// SOF0 to SOF15, without the three markers of that range that are tables.
    fn is_frame_header(&self) -> bool {
        matches!(self.marker, 0xC0..=0xCF) && !matches!(self.marker, 0xC4 | 0xC8 | 0xCC)
    }

    fn exif(&self) -> Option<&'source [u8]> {
        if self.marker != 0xE1 {
            return None;
        }
        self.payload.strip_prefix(EXIF_PREFIX)
    }

    fn icc_part(&self) -> Option<(u8, &'source [u8])> {
        if self.marker != 0xE2 {
            return None;
        }
        match self.payload.strip_prefix(ICC_PREFIX)? {
            [number, _count, part @ ..] => Some((*number, part)),
            _ => None,
        }
    }
}

impl<'source> Segments<'source> {
    fn new(source: &'source [u8]) -> Self {
        Self { rest: source.get(2..).unwrap_or_default() }
    }
}

impl<'source> Iterator for Segments<'source> {
    type Item = Segment<'source>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Padding bytes may stand between segments; decoders skip other stray bytes too.
            let start = self.rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF))?;
            let (marker, after) = (self.rest[start + 1], &self.rest[start + 2..]);
            match marker {
                0x01 | 0xD0..=0xD8 => self.rest = after,
                // A scan or the end: nothing of the header comes after it.
                0xD9 | 0xDA => {
                    self.rest = &[];
                    return None;
                }
                _ => {
                    let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
                    let payload = after.get(2..length)?;
                    self.rest = &after[length..];
                    return Some(Segment { marker, payload });
                }
            }
        }
    }
}

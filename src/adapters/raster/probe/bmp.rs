//! BMP: the two headers.

use mortar_actors::Fault;

use super::{Header, SourceFormat, corrupt};
use crate::adapters::raster::metadata::Orientation;

/// The header of OS/2 1.x, which has 16-bit sides.
const OLD_HEADER: u32 = 12;

pub(super) fn probe(source: &[u8]) -> Result<Header, Fault> {
    let header = source.get(14..).unwrap_or_default();
    let short = |at: usize| header.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes);
    let long = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_le_bytes);
    let read = || match long(0)?.unsigned_abs() {
        OLD_HEADER => Some((u32::from(short(4)?), u32::from(short(6)?), short(10)?)),
        // A negative height says that the rows go from top to bottom.
        _ => Some((long(4)?.unsigned_abs(), long(8)?.unsigned_abs(), short(14)?)),
    };
    let (width, height, bits) = read().ok_or_else(|| corrupt("the BMP's header is cut off"))?;
    Ok(Header {
        format: SourceFormat::Bmp,
        width,
        height,
        orientation: Orientation::Upright,
        frames: 1,
        has_alpha: bits == 32,
        bit_depth: 8,
        progressive: false,
    })
}

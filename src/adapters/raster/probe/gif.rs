//! GIF: the blocks, without unpacking any.

use mortar_actors::Fault;

use super::{Header, SourceFormat, corrupt};
use crate::adapters::raster::metadata::Orientation;

const SIGNATURE: usize = 6;
const SCREEN: usize = 7;
const IMAGE: u8 = 0x2C;
const EXTENSION: u8 = 0x21;

pub(super) fn probe(source: &[u8]) -> Result<Header, Fault> {
    let screen = source.get(SIGNATURE..SIGNATURE + SCREEN).ok_or_else(|| corrupt("the GIF's header is cut off"))?;
    let after_screen = SIGNATURE + SCREEN + palette_bytes(screen[4]);
    Ok(Header {
        format: SourceFormat::Gif,
        width: u32::from(u16::from_le_bytes([screen[0], screen[1]])),
        height: u32::from(u16::from_le_bytes([screen[2], screen[3]])),
        orientation: Orientation::Upright,
        frames: count_frames(source.get(after_screen..).unwrap_or_default()).max(1),
        has_alpha: true,
        bit_depth: 8,
        progressive: false,
    })
}

fn count_frames(blocks: &[u8]) -> u32 {
    let (mut rest, mut frames) = (Some(blocks), 0_u32);
    while let Some(blocks) = rest {
        rest = match blocks {
            [IMAGE, _, _, _, _, _, _, _, _, flags, after @ ..] => {
                frames = frames.saturating_add(1);
                // The byte before the data is the size of its first codes.
                after.get(palette_bytes(*flags) + 1..).and_then(skip_data)
            }
            [EXTENSION, _, after @ ..] => skip_data(after),
            _ => None,
        };
    }
    frames
}

/// Skips counted runs up to the empty one.
fn skip_data(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, after) = rest.split_first()?;
        rest = after.get(usize::from(*length)..)?;
        if *length == 0 {
            return Some(rest);
        }
    }
}

fn palette_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 0x07) + 1) }
}

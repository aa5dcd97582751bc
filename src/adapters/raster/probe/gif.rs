//! GIF: the blocks, without unpacking any.

use mortar_actors::Fault;

use super::{Header, SourceFormat, corrupt};
use crate::adapters::raster::metadata::Orientation;

const SIGNATURE: usize = 6;
const SCREEN: usize = 7;
const IMAGE: u8 = 0x2C;
const EXTENSION: u8 = 0x21;
const TRAILER: u8 = 0x3B;

pub(super) fn probe(source: &[u8]) -> Result<Header, Fault> {
    let screen = source.get(SIGNATURE..SIGNATURE + SCREEN).ok_or_else(|| corrupt("the GIF's header is cut off"))?;
    let (width, height) = sides([screen[0], screen[1], screen[2], screen[3]]);
    let after_screen = SIGNATURE + SCREEN + palette_bytes(screen[4]);
    let frames = count_frames(source.get(after_screen..).unwrap_or_default(), pixels((width, height)))?;
    Ok(Header {
        format: SourceFormat::Gif,
        width,
        height,
        orientation: Orientation::Upright,
        frames: frames.max(1),
        has_alpha: true,
        bit_depth: 8,
        progressive: false,
    })
}

/// Whether the blocks lead to the trailer, and the trailer is the end.
pub(super) fn is_whole(file: &[u8]) -> bool {
    let Some(screen) = file.get(SIGNATURE..SIGNATURE + SCREEN) else { return false };
    let mut rest = file.get(SIGNATURE + SCREEN + palette_bytes(screen[4])..);
    while let Some(blocks) = rest {
        rest = match blocks {
            [TRAILER] => return true,
            [IMAGE, _, _, _, _, _, _, _, _, flags, after @ ..] => after_image(*flags, after),
            [EXTENSION, _, after @ ..] => skip_data(after),
            _ => None,
        };
    }
    false
}

/// A frame has a size of its own, and the decoder makes room for all of it before it is laid on the canvas. One that
/// has more pixels than the canvas is refused, so that the size of the canvas bounds the memory.
fn count_frames(blocks: &[u8], canvas_pixels: u64) -> Result<u32, Fault> {
    let (mut rest, mut frames) = (Some(blocks), 0_u32);
    while let Some(blocks) = rest {
        rest = match blocks {
            [IMAGE, _, _, _, _, a, b, c, d, flags, after @ ..] => {
                if pixels(sides([*a, *b, *c, *d])) > canvas_pixels {
                    return Err(corrupt("a frame of the GIF is larger than its canvas"));
                }
                frames = frames.saturating_add(1);
                after_image(*flags, after)
            }
            [EXTENSION, _, after @ ..] => skip_data(after),
            _ => None,
        };
    }
    Ok(frames)
}

fn sides([a, b, c, d]: [u8; 4]) -> (u32, u32) {
    (u32::from(u16::from_le_bytes([a, b])), u32::from(u16::from_le_bytes([c, d])))
}

fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

/// What comes after the palette and the data of an image. The byte before the data is the size of its first codes.
fn after_image(flags: u8, palette_and_data: &[u8]) -> Option<&[u8]> {
    palette_and_data.get(palette_bytes(flags) + 1..).and_then(skip_data)
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

//! GIF: the blocks, without unpacking any.

use mortar_actors::Fault;

use super::{Header, SourceFormat, corrupt};
use crate::adapters::raster::metadata::Orientation;

const SIGNATURE: usize = 6;
const SCREEN: usize = 7;
const IMAGE: u8 = 0x2C;
const EXTENSION: u8 = 0x21;
const TRAILER: u8 = 0x3B;

/// A block, as far as it tells something.
enum Block {
    Image { width: u32, height: u32 },
    Extension,
    Trailer { is_end: bool },
}

/// The blocks up to the trailer, or to the first one that is none. The last one may be cut off.
struct Blocks<'source>(Option<&'source [u8]>);

pub(super) fn probe(source: &[u8]) -> Result<Header, Fault> {
    let (screen, blocks) = parts(source).ok_or_else(|| corrupt("the GIF's header is cut off"))?;
    let (width, height) = sides([screen[0], screen[1], screen[2], screen[3]]);
    let frames = count_frames(blocks, pixels((width, height)))?;
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
    parts(file).is_some_and(|(_, mut blocks)| blocks.any(|block| matches!(block, Block::Trailer { is_end: true })))
}

/// The description of the screen, and what comes after it and its palette.
fn parts(source: &[u8]) -> Option<(&[u8; SCREEN], Blocks<'_>)> {
    let (screen, rest) = source.get(SIGNATURE..)?.split_first_chunk()?;
    Some((screen, Blocks(rest.get(palette_bytes(screen[4])..))))
}

/// A frame has a size of its own, and the decoder makes room for all of it before it is laid on the canvas. One that
/// has more pixels than the canvas is refused, so that the size of the canvas bounds the memory.
fn count_frames(blocks: Blocks<'_>, canvas_pixels: u64) -> Result<u32, Fault> {
    let mut frames = 0_u32;
    for block in blocks {
        let Block::Image { width, height } = block else { continue };
        if pixels((width, height)) > canvas_pixels {
            return Err(corrupt("a frame of the GIF is larger than its canvas"));
        }
        frames = frames.saturating_add(1);
    }
    Ok(frames)
}

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        match self.0.take()? {
            [IMAGE, _, _, _, _, a, b, c, d, flags, after @ ..] => {
                // The byte before the data is the size of its first codes.
                self.0 = after.get(palette_bytes(*flags) + 1..).and_then(skip_data);
                let (width, height) = sides([*a, *b, *c, *d]);
                Some(Block::Image { width, height })
            }
            [EXTENSION, _, after @ ..] => {
                self.0 = skip_data(after);
                Some(Block::Extension)
            }
            [TRAILER, after @ ..] => Some(Block::Trailer { is_end: after.is_empty() }),
            _ => None,
        }
    }
}

fn sides([a, b, c, d]: [u8; 4]) -> (u32, u32) {
    (u32::from(u16::from_le_bytes([a, b])), u32::from(u16::from_le_bytes([c, d])))
}

fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
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

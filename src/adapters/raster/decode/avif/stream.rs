//! Decodes the AV1 streams of a picture onto one canvas.

use aom_decode::color::{ChromaSampling, Range};
use aom_decode::{Config, Decoder, FrameTempRef, RowsIter, RowsIters};
use mortar_actors::{Fault, FaultKind};

use super::canvas::{Canvas, Channel, Frame, Shape, Signal};
use crate::adapters::raster::decode::{DecodeLimits, broken, check_size};
use crate::adapters::raster::ffi::aom;
use crate::adapters::raster::probe::avif::Coded;

/// Decodes all tiles; the meaning of the samples is that of the first one.
///
/// # Errors
/// `Unprocessable` when a stream is corrupt, larger than allowed, or unlike the first one.
pub(super) fn decode(coded: &Coded<'_>, size: (u32, u32), limits: &DecodeLimits) -> Result<(Frame, Signal), Fault> {
    let mut whole: Option<(Frame, Signal, (u32, u32))> = None;
    for (index, tile) in (0_u32..).zip(&coded.tiles) {
        let announced = aom::stream_size(tile).ok_or_else(|| corrupt("the AVIF has no readable AV1 stream"))?;
        check_size(announced, limits)?;
        let mut decoder = Decoder::new(&Config { threads: 1 }).map_err(refused)?;
        let frame = decoder.decode_frame(tile).map_err(refused)?;
        let rows = frame.rows_iter().map_err(refused)?;
        let (tile_size, shape) = describe(&rows);
        let (frame, _, first_size) = whole.get_or_insert_with(|| (empty(size, shape), signal(&frame), tile_size));
        let covers = |tiles: u32, tile: u32, side: u32| u64::from(tiles) * u64::from(tile) >= u64::from(side);
        if tile_size != *first_size
            || !covers(coded.columns, tile_size.0, size.0)
            || !covers(coded.rows, tile_size.1, size.1)
        {
            return Err(corrupt("the AVIF's picture does not have the size that its header says"));
        }
        let place = (index % coded.columns * tile_size.0, index / coded.columns * tile_size.1);
        paste(frame, rows, shape, place)?;
    }
    whole.map(|(frame, signal, _)| (frame, signal)).ok_or_else(|| corrupt("the AVIF has no picture"))
}

fn empty(size: (u32, u32), shape: Shape) -> Frame {
    if shape.bits == 8 { Frame::Eight(Canvas::new(size, shape)) } else { Frame::Deep(Canvas::new(size, shape)) }
}

fn describe(rows: &RowsIters<'_>) -> ((u32, u32), Shape) {
    // AV1 pictures have at most 65,536 pixels on a side, so the casts keep everything.
    let side = |value: usize| value as u32;
    let ratio = |sampling: ChromaSampling| match sampling {
        ChromaSampling::Cs420 => Some((2, 2)),
        ChromaSampling::Cs422 => Some((2, 1)),
        ChromaSampling::Cs444 => Some((1, 1)),
        ChromaSampling::Monochrome => None,
    };
    match rows {
        RowsIters::Mono8(y) => ((side(y.width()), side(y.height())), Shape { bits: 8, chroma: None }),
        RowsIters::Mono16(y, depth) => {
            ((side(y.width()), side(y.height())), Shape { bits: *depth as u8, chroma: None })
        }
        RowsIters::YuvPlanes8 { y, chroma_sampling, .. } => {
            ((side(y.width()), side(y.height())), Shape { bits: 8, chroma: ratio(*chroma_sampling) })
        }
        RowsIters::YuvPlanes16 { y, chroma_sampling, depth, .. } => {
            ((side(y.width()), side(y.height())), Shape { bits: *depth as u8, chroma: ratio(*chroma_sampling) })
        }
    }
}

fn paste(frame: &mut Frame, rows: RowsIters<'_>, shape: Shape, place: (u32, u32)) -> Result<(), Fault> {
    match (frame, rows) {
        (Frame::Eight(canvas), RowsIters::Mono8(y)) if canvas.shape == shape => {
            canvas.luma.paste(place, y, |sample| sample);
        }
        (Frame::Eight(canvas), RowsIters::YuvPlanes8 { y, u, v, .. }) if canvas.shape == shape => {
            canvas.luma.paste(place, y, |sample| sample);
            paste_chroma(&mut canvas.chroma, shape, place, [u, v], |sample| sample);
        }
        (Frame::Deep(canvas), RowsIters::Mono16(y, _)) if canvas.shape == shape => {
            canvas.luma.paste(place, y, u16::from_ne_bytes);
        }
        (Frame::Deep(canvas), RowsIters::YuvPlanes16 { y, u, v, .. }) if canvas.shape == shape => {
            canvas.luma.paste(place, y, u16::from_ne_bytes);
            paste_chroma(&mut canvas.chroma, shape, place, [u, v], u16::from_ne_bytes);
        }
        _ => return Err(corrupt("the AVIF's tiles are unlike each other")),
    }
    Ok(())
}

fn paste_chroma<T: Copy, P: Copy>(
    chroma: &mut Option<[Channel<T>; 2]>,
    shape: Shape,
    (left, top): (u32, u32),
    rows: [RowsIter<'_, P>; 2],
    number: impl Fn(P) -> T,
) {
    let (Some(channels), Some((across, down))) = (chroma, shape.chroma) else { return };
    for (channel, rows) in channels.iter_mut().zip(rows) {
        channel.paste((left / across, top / down), rows, &number);
    }
}

/// What the stream itself says; 2 is "unspecified".
fn signal(frame: &FrameTempRef<'_>) -> Signal {
    Signal {
        primaries: frame.color_primaries().map_or(2, |primaries| primaries as u8),
        transfer: frame.transfer_characteristics().map_or(2, |transfer| transfer as u8),
        matrix: frame.matrix_coefficients().map_or(2, |matrix| matrix as u8),
        full_range: frame.range() == Range::Full,
    }
}

fn refused(error: aom_decode::Error) -> Fault {
    broken("the AVIF is corrupt or cut off", error)
}

fn corrupt(message: &'static str) -> Fault {
    Fault::new(FaultKind::Unprocessable, message)
}

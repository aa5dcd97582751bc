//! Where the tiles of a picture are put together.

use crate::adapters::raster::pixels::{Plane, Planes};
use crate::adapters::raster::probe::avif::CodePoints;

/// Planes of eight or of more bits.
#[derive(Debug)]
pub(super) enum Frame {
    Eight(Canvas<u8>),
    Deep(Canvas<u16>),
}

/// What the samples mean, by the code points of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) primaries: u8,
    pub(super) transfer: u8,
    pub(super) matrix: u8,
    pub(super) full_range: bool,
}

/// How a canvas is laid out: all tiles of a picture share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Bits per sample.
    pub(super) bits: u8,
    /// Luma samples for one of chroma, each way; `None` for grey.
    pub(super) chroma: Option<(u32, u32)>,
}

/// Luma and, unless grey, Cb and Cr.
#[derive(Debug)]
pub(super) struct Canvas<T> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) shape: Shape,
    pub(super) luma: Channel<T>,
    pub(super) chroma: Option<[Channel<T>; 2]>,
}

/// One plane, rows without padding.
#[derive(Debug)]
pub(super) struct Channel<T> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) samples: Vec<T>,
}

impl From<CodePoints> for Signal {
    fn from(points: CodePoints) -> Self {
        let CodePoints { primaries, transfer, matrix, full_range } = points;
        Self { primaries, transfer, matrix, full_range }
    }
}

impl Signal {
    /// Whether planes of eight bits mean what JPEG's mean. An unspecified matrix is BT.601 in AVIF.
    pub(super) fn is_jfif(self) -> bool {
        self.full_range && matches!(self.matrix, 2 | 5 | 6)
    }
}

impl<T: Copy + Default> Canvas<T> {
    pub(super) fn new((width, height): (u32, u32), shape: Shape) -> Self {
        let channel = |(across, down): (u32, u32)| {
            let (width, height) = (width.div_ceil(across), height.div_ceil(down));
            Channel { width, height, samples: vec![T::default(); width as usize * height as usize] }
        };
        let chroma = shape.chroma.map(|ratio| [channel(ratio), channel(ratio)]);
        Self { width, height, shape, luma: channel((1, 1)), chroma }
    }
}

impl<T: Copy> Channel<T> {
    /// Puts rows at a place, turning coded samples into numbers; what lies outside is left away.
    pub(super) fn paste<'row, P: 'row + Copy>(
        &mut self,
        (left, top): (u32, u32),
        rows: impl Iterator<Item = &'row [P]>,
        number: impl Fn(P) -> T,
    ) {
        let targets = self.samples.chunks_exact_mut(self.width as usize).skip(top as usize);
        for (target, row) in targets.zip(rows) {
            for (target, sample) in target.iter_mut().skip(left as usize).zip(row) {
                *target = number(*sample);
            }
        }
    }
}

impl From<Canvas<u8>> for Planes {
    fn from(canvas: Canvas<u8>) -> Self {
        let plane = |Channel { width, height, samples }| Plane { width, height, samples };
        Self {
            width: canvas.width,
            height: canvas.height,
            luma: plane(canvas.luma),
            chroma: canvas.chroma.map(|chroma| chroma.map(plane)),
        }
    }
}

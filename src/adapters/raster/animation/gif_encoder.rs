//! Animated GIF: of each frame only the box that changed, and in it only the pixels that changed.

use std::time::Duration;

use bytes::Bytes;
use gif::{DisposalMethod, Encoder, Frame, Repeat};
use mortar_actors::{Fault, FaultKind};

use super::Loops;
use crate::adapters::raster::encode::{GIF_SPEED, failed, harden_alpha};

/// Writes an animation. Holds two canvases: what the viewer sees, and the frame that waits to learn how it ends.
pub(super) struct GifEncoder {
    encoder: Encoder<Vec<u8>>,
    size: (u16, u16),
    /// What a viewer shows before the waiting frame is drawn.
    shown: Vec<u8>,
    waiting: Option<(Vec<u8>, Duration)>,
    /// Time that was cut off by rounding to hundredths; it is given to the next frame.
    owed: Duration,
}

/// A part of the canvas; empty where nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl GifEncoder {
    pub(super) fn new((width, height): (u32, u32), loops: Loops) -> Result<Self, Fault> {
        let side = |side: u32| {
            u16::try_from(side).map_err(|error| {
                Fault::new(FaultKind::Invalid, "a GIF has at most 65535 pixels on a side").caused_by(error)
            })
        };
        let size = (side(width)?, side(height)?);
        let mut encoder = Encoder::new(Vec::new(), size.0, size.1, &[]).map_err(failed)?;
        encoder.set_repeat(if loops.0 == 0 { Repeat::Infinite } else { Repeat::Finite(loops.0) }).map_err(failed)?;
        let shown = vec![0; width as usize * height as usize * 4];
        Ok(Self { encoder, size, shown, waiting: None, owed: Duration::ZERO })
    }

    pub(super) fn push(&mut self, rgba: &[u8], delay: Duration) -> Result<(), Fault> {
        let mut canvas = rgba.to_vec();
        harden_alpha(&mut canvas);
        if let Some((previous, delay)) = self.waiting.take() {
            // A pixel that disappears can only be erased together with the whole frame before it.
            let clear =
                previous.as_chunks::<4>().0.iter().zip(canvas.as_chunks::<4>().0).any(|(old, new)| old[3] > new[3]);
            self.write(previous, delay, clear)?;
        }
        self.waiting = Some((canvas, delay));
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Bytes, Fault> {
        let (last, delay) =
            self.waiting.take().ok_or_else(|| Fault::new(FaultKind::Internal, "an animation without frames"))?;
        self.write(last, delay, false)?;
        self.encoder.into_inner().map(Bytes::from).map_err(failed)
    }

    /// Draws `canvas` over what is shown; with `clear` the canvas is empty again afterwards.
    fn write(&mut self, canvas: Vec<u8>, delay: Duration, clear: bool) -> Result<(), Fault> {
        let (width, height) = (usize::from(self.size.0), usize::from(self.size.1));
        let whole = Area { left: 0, top: 0, width, height };
        let area = if clear { whole } else { changed_area(&self.shown, &canvas, width).unwrap_or(whole.smallest()) };
        let mut drawn = area.cut(&canvas, width);
        if !clear {
            leave_out_unchanged(&mut drawn, &area.cut(&self.shown, width));
        }
        // An area of the canvas has sides of at most 65,535, so the casts keep everything.
        let mut frame = Frame::from_rgba_speed(area.width as u16, area.height as u16, &mut drawn, GIF_SPEED);
        (frame.left, frame.top) = (area.left as u16, area.top as u16);
        frame.delay = self.hundredths(delay);
        frame.dispose = if clear { DisposalMethod::Background } else { DisposalMethod::Keep };
        self.encoder.write_frame(&frame).map_err(failed)?;
        self.shown = canvas;
        if clear {
            self.shown.fill(0);
        }
        Ok(())
    }

    fn hundredths(&mut self, delay: Duration) -> u16 {
        let due = delay + self.owed;
        let hundredths = u16::try_from(due.as_millis() / 10).unwrap_or(u16::MAX);
        self.owed =
            due.saturating_sub(Duration::from_millis(u64::from(hundredths) * 10)).min(Duration::from_millis(10));
        hundredths
    }
}

impl std::fmt::Debug for GifEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GifEncoder").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Area {
    /// A frame must have a pixel, even if nothing changed.
    fn smallest(self) -> Self {
        Self { width: 1, height: 1, ..self }
    }

    fn cut(self, rgba: &[u8], canvas_width: usize) -> Vec<u8> {
        let mut part = Vec::with_capacity(self.width * self.height * 4);
        for y in self.top..self.top + self.height {
            let start = (y * canvas_width + self.left) * 4;
            part.extend_from_slice(&rgba[start..start + self.width * 4]);
        }
        part
    }
}

/// The smallest box around all pixels that differ.
fn changed_area(before: &[u8], after: &[u8], width: usize) -> Option<Area> {
    let (mut left, mut right, mut top, mut bottom) = (width, 0, None, 0);
    let rows = before.chunks_exact(width * 4).zip(after.chunks_exact(width * 4));
    for (y, (before, after)) in rows.enumerate().filter(|(_, (before, after))| before != after) {
        let differs = |x: &usize| before[x * 4..x * 4 + 4] != after[x * 4..x * 4 + 4];
        left = (0..width).find(differs).unwrap_or(width).min(left);
        right = (0..width).rev().find(differs).unwrap_or(0).max(right);
        top = top.or(Some(y));
        bottom = y;
    }
    let top = top?;
    Some(Area { left, top, width: right + 1 - left, height: bottom + 1 - top })
}

/// Makes pixels that are shown already transparent, which packs better and costs no colours.
fn leave_out_unchanged(drawn: &mut [u8], shown: &[u8]) {
    for (new, old) in drawn.as_chunks_mut::<4>().0.iter_mut().zip(shown.as_chunks::<4>().0) {
        if new == old {
            *new = [0; 4];
        }
    }
}

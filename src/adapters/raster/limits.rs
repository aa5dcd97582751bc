//! What a source and a result may cost, checked before anything is decoded.

use mortar_actors::{Fault, FaultKind};

use super::decode::DecodeLimits;
use super::geometry::Size;
use super::probe::Header;
use crate::config::LimitsConfig;
use crate::domain::plan::{Plan, Step};

/// How large one picture of a result may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutputLimits {
    /// Longest side in pixels.
    pub side: u32,
    /// Most pixels of one picture: the configured number divided by the frames.
    pub pixels: u64,
}

impl OutputLimits {
    /// The limits of each of `frames` pictures.
    pub(super) fn new(limits: &LimitsConfig, frames: u32) -> Self {
        Self { side: limits.output_side, pixels: limits.output_pixels / u64::from(frames.max(1)) }
    }

    /// Takes sides in whole pixels, however large.
    ///
    /// # Errors
    /// `Invalid` beyond the limits.
    pub(super) fn check_size(&self, width: f64, height: f64) -> Result<Size, Fault> {
        let longest = f64::from(self.side);
        if width > longest || height > longest {
            let message = format!("a result of {width}x{height} pixels is larger than {longest} pixels a side");
            return Err(Fault::new(FaultKind::Invalid, message));
        }
        let size = Size::new(width as u32, height as u32);
        if size.pixels() > self.pixels {
            let message =
                format!("a result of {width}x{height} pixels has more pixels than the {} allowed", self.pixels);
            return Err(Fault::new(FaultKind::Invalid, message));
        }
        Ok(size)
    }
}

/// What the decoder has to hold itself.
pub(super) fn decode_limits(limits: &LimitsConfig) -> DecodeLimits {
    DecodeLimits { pixels: limits.source_pixels, frames: limits.frames }
}

/// # Errors
/// `TooLarge` for a source of too many bytes.
pub(super) fn check_source_bytes(limits: &LimitsConfig, bytes: usize) -> Result<(), Fault> {
    if bytes as u64 <= limits.source_bytes {
        return Ok(());
    }
    let message = format!("the source has {bytes} bytes; at most {} are accepted", limits.source_bytes);
    Err(Fault::new(FaultKind::TooLarge, message))
}

/// # Errors
/// `Unprocessable` for a source of too many pixels or frames, as its header says.
pub(super) fn check_source(limits: &LimitsConfig, header: &Header) -> Result<(), Fault> {
    if header.frames > limits.frames {
        let message = format!("the animation has {} frames; at most {} are accepted", header.frames, limits.frames);
        return Err(Fault::new(FaultKind::Unprocessable, message));
    }
    if header.total_pixels() > limits.source_pixels {
        let message = format!(
            "the source has {} pixels over all frames; at most {} are accepted",
            header.total_pixels(),
            limits.source_pixels
        );
        return Err(Fault::new(FaultKind::Unprocessable, message));
    }
    Ok(())
}

/// # Errors
/// `Invalid` for a plan of too many operations over all its steps.
pub(super) fn check_operations(limits: &LimitsConfig, plan: &Plan) -> Result<(), Fault> {
    let operations: usize = plan.steps.iter().map(Step::operations).sum();
    if operations <= limits.operations {
        return Ok(());
    }
    let message = format!("the request has {operations} operations; at most {} are accepted", limits.operations);
    Err(Fault::new(FaultKind::Invalid, message))
}

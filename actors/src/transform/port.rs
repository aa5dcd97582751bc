//! What the transform actor needs of an image engine.

use crate::fault::Fault;
use crate::vocab::StopFlag;

/// Turns a job into a finished result on a CPU thread.
///
/// Both methods run behind a panic fence. Equal jobs give equal bytes.
pub trait Engine: Send + Sync + 'static {
    /// Everything a render needs: the source, what to do, overlays.
    type Job: Send + 'static;
    /// What a render makes.
    type Output: Send + 'static;

    /// Reads headers only and says what the job will cost, in microseconds for an honest source. Not admitted by memory
    /// yet, so it needs next to none.
    ///
    /// # Errors
    /// `TooLarge` or `Invalid` for a job beyond the configured limits, `Unprocessable` for a source that is no picture.
    fn estimate(&self, job: &Self::Job) -> Result<Estimate, Fault>;

    /// Does the work, checking `stop` between its stages (decode, resize, each filter, encode).
    ///
    /// # Errors
    /// As [`Engine::estimate`]; `Cancelled` or `TimedOut` when `stop` was raised.
    fn render(&self, job: Self::Job, stop: &StopFlag) -> Result<Self::Output, Fault>;
}

/// What a job is expected to cost. Neither need be exact; the right order of size is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes of memory at the peak: decoded pixels, intermediates and the encoder.
    pub memory_bytes: u64,
    /// CPU time, in the time that it takes to read one pixel.
    pub work: u64,
}

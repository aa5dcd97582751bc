//! What each stage of a render takes, and the points at which it can be stopped.

use std::time::{Duration, Instant};

use mortar_actors::{Fault, StopFlag};

/// Runs stages one after another, as long as anyone waits for the result.
pub(super) struct Stages<'flag> {
    stop: &'flag StopFlag,
    timings: Vec<(&'static str, Duration)>,
}

impl<'flag> Stages<'flag> {
    pub(super) fn new(stop: &'flag StopFlag) -> Self {
        Self { stop, timings: Vec::with_capacity(8) }
    }

    /// The flag, for stages that look at it themselves.
    pub(super) fn stop(&self) -> &'flag StopFlag {
        self.stop
    }

    /// Runs one stage and adds its time to that name.
    ///
    /// # Errors
    /// The stage's own, and the stop flag's before it begins.
    pub(super) fn run<T>(&mut self, name: &'static str, stage: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.stop.check()?;
        let begun = Instant::now();
        let result = stage();
        let took = begun.elapsed();
        match self.timings.iter_mut().find(|(known, _)| *known == name) {
            Some((_, total)) => *total += took,
            None => self.timings.push((name, took)),
        }
        result
    }

    /// The names and times, in the order in which the stages first ran.
    pub(super) fn into_timings(self) -> Vec<(&'static str, Duration)> {
        self.timings
    }
}

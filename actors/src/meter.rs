//! What one actor counts while it works. Counters are lock-free; times go into a histogram behind a short lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::fault::{Fault, FaultKind};

/// The longest time told apart; longer ones are counted as this.
const LONGEST: Duration = Duration::from_secs(600);

/// Counters and times of one actor; they outlive its rebuilds.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) queued: AtomicU64,
    pub(crate) running: AtomicU64,
    handled: AtomicU64,
    refused: AtomicU64,
    cancelled: AtomicU64,
    failed: AtomicU64,
    panics: AtomicU64,
    waits: Mutex<Times>,
    works: Mutex<Times>,
}

/// Every time of one kind since the start.
#[derive(Debug)]
struct Times {
    histogram: Histogram<u64>,
    total_micros: u64,
}

/// What one actor counted so far.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    /// Messages in the mailbox.
    pub queued: u64,
    /// Messages being worked on.
    pub running: u64,
    /// Asks answered with success.
    pub handled: u64,
    /// Asks refused because a gate was full or the actor was being rebuilt.
    pub refused: u64,
    /// Asks that ended because nobody waited any more, or never began because their deadline had passed.
    pub cancelled: u64,
    /// Asks answered with any other fault.
    pub failed: u64,
    /// Panics caught.
    pub panics: u64,
}

/// Percentiles of a time, in microseconds, over all that was measured since the start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// All of them together; its growth, divided by that of `count`, is the mean of late.
    pub total_micros: u64,
    /// Half were at most this long.
    pub p50_micros: u64,
    /// Nine of ten were at most this long.
    pub p90_micros: u64,
    /// All but one of a hundred were at most this long.
    pub p99_micros: u64,
    /// The longest, up to ten minutes.
    pub max_micros: u64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let times = || {
            let histogram = Histogram::new_with_bounds(1, LONGEST.as_micros() as u64, 2);
            let histogram = histogram.expect("the bounds of the histogram are in order");
            Mutex::new(Times { histogram, total_micros: 0 })
        };
        Self {
            queued: AtomicU64::new(0),
            running: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            waits: times(),
            works: times(),
        }
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    pub(crate) fn waited(&self, time: Duration) {
        record(&self.waits, time);
    }

    pub(crate) fn worked<T>(&self, time: Duration, outcome: &Result<T, Fault>) {
        record(&self.works, time);
        let counter = match outcome.as_ref().map_err(Fault::kind) {
            Ok(_) => &self.handled,
            Err(FaultKind::Cancelled) => &self.cancelled,
            Err(FaultKind::Overloaded) => &self.refused,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            queued: self.queued.load(Relaxed),
            running: self.running.load(Relaxed),
            handled: self.handled.load(Relaxed),
            refused: self.refused.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            failed: self.failed.load(Relaxed),
            panics: self.panics.load(Relaxed),
        }
    }

    pub(crate) fn wait_times(&self) -> Percentiles {
        percentiles(&self.waits)
    }

    pub(crate) fn work_times(&self) -> Percentiles {
        percentiles(&self.works)
    }
}

fn record(times: &Mutex<Times>, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
    times.histogram.saturating_record(micros);
    times.total_micros = times.total_micros.saturating_add(micros);
}

fn percentiles(times: &Mutex<Times>) -> Percentiles {
    let Times { histogram, total_micros } = &*times.lock().unwrap_or_else(PoisonError::into_inner);
    Percentiles {
        count: histogram.len(),
        total_micros: *total_micros,
        p50_micros: histogram.value_at_quantile(0.5),
        p90_micros: histogram.value_at_quantile(0.9),
        p99_micros: histogram.value_at_quantile(0.99),
        max_micros: histogram.max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_and_added_up() {
        let meter = Meter::new();
        meter.waited(Duration::from_millis(3));
        meter.waited(Duration::from_millis(4));
        let waits = meter.wait_times();
        assert_eq!((waits.count, waits.total_micros), (2, 7_000));
        assert!((3_900..=4_100).contains(&waits.max_micros), "{waits:?}");
        assert_eq!(meter.work_times().count, 0);
    }
}

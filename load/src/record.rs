//! What came of the requests.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency told apart; longer ones are counted as this.
const LONGEST: Duration = Duration::from_secs(600);

/// Collects what came of requests, from any number of connections.
#[derive(Debug)]
pub(crate) struct Recorder(Mutex<Records>);

/// What came of all requests so far.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Times from when a request was due until its answer was read, in microseconds, by status. Only of clients that
    /// waited for it.
    pub(crate) answers: BTreeMap<u16, Histogram<u64>>,
    /// Bytes of the bodies of these answers.
    pub(crate) bytes: u64,
    /// Requests without an answer, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) left: Left,
    /// 503 without Retry-After.
    pub(crate) unguided: u64,
    /// The latest that this tool itself asked.
    pub(crate) latest: Duration,
}

/// Clients that did not wait for their answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Left {
    /// Before the answer.
    pub(crate) before: u64,
    /// In the middle of the body.
    pub(crate) within: u64,
    /// After reading one byte a second for a while.
    pub(crate) trickled: u64,
    /// Because it took too long for them.
    pub(crate) timed_out: u64,
}

/// What came of requests since this was last looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lately {
    /// Requests that ended, since the begin.
    pub(crate) ended: u64,
    /// Answers.
    pub(crate) answered: u64,
    /// Of these, the median and the 99th percentile of latencies.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

#[derive(Debug)]
struct Records {
    tally: Tally,
    ended: u64,
    lately: Histogram<u64>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Records { tally: Tally::new(), ended: 0, lately: histogram() }))
    }

    pub(crate) fn answered(&self, status: u16, bytes: u64, latency: Duration) {
        self.end(|records| {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            records.tally.answers.entry(status).or_insert_with(histogram).saturating_record(micros);
            records.tally.bytes += bytes;
            records.lately.saturating_record(micros);
        });
    }

    pub(crate) fn failed(&self, error: &io::Error) {
        self.end(|records| *records.tally.failures.entry(error.kind().to_string()).or_default() += 1);
    }

    pub(crate) fn left(&self, add: impl FnOnce(&mut Left)) {
        self.end(|records| add(&mut records.tally.left));
    }

    /// A 503 that did not say when to come back.
    pub(crate) fn unguided(&self) {
        self.with(|records| records.tally.unguided += 1);
    }

    pub(crate) fn late(&self, by: Duration) {
        self.with(|records| records.tally.latest = records.tally.latest.max(by));
    }

    /// What came in since the last call.
    pub(crate) fn lately(&self) -> Lately {
        self.with(|records| {
            let lately = Lately {
                ended: records.ended,
                answered: records.lately.len(),
                p50: at(&records.lately, 0.5),
                p99: at(&records.lately, 0.99),
            };
            records.lately.reset();
            lately
        })
    }

    pub(crate) fn tally(&self) -> Tally {
        self.with(|records| records.tally.clone())
    }

    fn end(&self, add: impl FnOnce(&mut Records)) {
        self.with(|records| {
            records.ended += 1;
            add(records);
        });
    }

    fn with<T>(&self, call: impl FnOnce(&mut Records) -> T) -> T {
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tally {
    fn new() -> Self {
        Self {
            answers: BTreeMap::new(),
            bytes: 0,
            failures: BTreeMap::new(),
            left: Left::default(),
            unguided: 0,
            latest: Duration::ZERO,
        }
    }

    /// Latencies of all answers.
    pub(crate) fn latencies(&self) -> Histogram<u64> {
        let mut all = histogram();
        for of_status in self.answers.values() {
            all.add(of_status).expect("all histograms here have the same bounds");
        }
        all
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answers.values().map(Histogram::len).sum()
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

impl Left {
    pub(crate) fn all(self) -> u64 {
        self.before + self.within + self.trickled + self.timed_out
    }
}

/// The latency that this share of the answers does not exceed.
pub(crate) fn at(latencies: &Histogram<u64>, share: f64) -> Duration {
    Duration::from_micros(latencies.value_at_quantile(share))
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST.as_micros() as u64, 3).expect("the bounds are in order")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_by_status_and_together() {
        let recorder = Recorder::new();
        (1..=100).for_each(|number| recorder.answered(200, 10, Duration::from_millis(number)));
        recorder.answered(503, 1, Duration::from_millis(1));
        let tally = recorder.tally();
        assert_eq!((tally.answered(), tally.bytes), (101, 1001));
        let p99 = at(&tally.answers[&200], 0.99).as_micros();
        assert!((99_000..=99_100).contains(&p99), "{p99}");
        assert_eq!(tally.latencies().len(), 101);
    }

    #[test]
    fn what_came_lately_is_told_once() {
        let recorder = Recorder::new();
        recorder.answered(200, 10, Duration::from_millis(1));
        recorder.failed(&io::ErrorKind::ConnectionReset.into());
        recorder.left(|left| left.before += 1);
        assert_eq!((recorder.lately().answered, recorder.lately().answered), (1, 0));
        assert_eq!(recorder.lately().ended, 3);
        assert_eq!((recorder.tally().failed(), recorder.tally().left.all()), (1, 1));
    }
}

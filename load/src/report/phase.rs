use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::milliseconds;
use crate::record::{Left, at};
use crate::run::Run;
use crate::watch::Reading;

/// One stretch of load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
    /// Requests that ended, in whatever way.
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    pub(crate) answers_per_second: f64,
    pub(crate) megabytes_per_second: f64,
    /// Of all answers.
    pub(crate) latency: Latency,
    pub(crate) statuses: BTreeMap<u16, Answered>,
    /// Clients that did not wait.
    pub(crate) left: Left,
    /// Requests without an answer though the client waited, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Answers of 503 without Retry-After.
    pub(crate) unguided: u64,
    /// The latest that this tool asked after a request was due and a connection free.
    pub(crate) tool_late_ms: f64,
    /// What the server used, for all load of the same time.
    pub(crate) server: Usage,
    /// What the server held when it had come to rest afterwards, where that was waited for.
    pub(crate) settled: Option<Reading>,
}

/// Answers of one status.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Answered {
    pub(crate) count: u64,
    pub(crate) latency: Latency,
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) mean_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

/// What the server used during a phase, as far as it can be told.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Usage {
    pub(crate) peak_resident_bytes: Option<u64>,
    pub(crate) cpu_seconds: Option<f64>,
    /// CPU time for each answer, in microseconds.
    pub(crate) cpu_micros_per_answer: Option<f64>,
}

impl Phase {
    pub(crate) fn new(name: &str, run: &Run, took: Duration, server: Usage) -> Self {
        let tally = run.recorder.tally();
        let (seconds, answered) = (took.as_secs_f64().max(1e-6), tally.answered());
        let statuses = tally
            .answers
            .iter()
            .map(|(status, answers)| (*status, Answered { count: answers.len(), latency: Latency::of(answers) }));
        Self {
            name: name.to_owned(),
            seconds,
            requests: answered + tally.left.all() + tally.failed(),
            answered,
            answers_per_second: answered as f64 / seconds,
            megabytes_per_second: tally.bytes as f64 / seconds / 1e6,
            latency: Latency::of(&tally.latencies()),
            statuses: statuses.collect(),
            left: tally.left,
            unguided: tally.unguided,
            tool_late_ms: milliseconds(tally.latest),
            failures: tally.failures,
            server,
            settled: None,
        }
    }

    /// Requests without an answer though the client waited.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Answers with a status that is not one of these.
    pub(crate) fn answered_otherwise_than(&self, expected: &[u16]) -> u64 {
        let others = self.statuses.iter().filter(|(status, _)| !expected.contains(status));
        others.map(|(_, answers)| answers.count).sum()
    }
}

impl Latency {
    pub(crate) fn of(latencies: &Histogram<u64>) -> Self {
        if latencies.is_empty() {
            return Self::default();
        }
        let share = |share| milliseconds(at(latencies, share));
        Self {
            mean_ms: latencies.mean() / 1e3,
            p50_ms: share(0.5),
            p90_ms: share(0.9),
            p99_ms: share(0.99),
            p999_ms: share(0.999),
            max_ms: share(1.0),
        }
    }
}

impl Usage {
    /// What was used between two readings for so many answers. `seen` is the most memory that samples saw, for when the
    /// system does not tell its peak.
    pub(crate) fn between(before: &Reading, after: &Reading, answers: u64, seen: Option<u64>) -> Self {
        let cpu_seconds = after.cpu_seconds.zip(before.cpu_seconds).map(|(after, before)| after - before);
        Self {
            peak_resident_bytes: after.peak_resident_bytes.or(seen),
            cpu_seconds,
            cpu_micros_per_answer: cpu_seconds.filter(|_| answers > 0).map(|cpu| cpu * 1e6 / answers as f64),
        }
    }
}

//! One reading of the whole service, behind `/stats` and `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use actix_web::http::StatusCode;
use mortar_actors::{GateStats, TreeStats};
use serde::Serialize;

use crate::adapters::RedisStats;
use crate::process::ProcessStats;

/// The reading. `/stats` is this as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// Version of this program.
    pub version: &'static str,
    /// Whether requests are welcome, as `/ready` says.
    pub ready: bool,
    /// Every reason why not.
    pub reasons: Vec<String>,
    /// The supervision tree: each actor with its bounds, counters and times.
    pub tree: TreeStats,
    /// The bytes of all watermarks that are fetched, kept or used.
    pub watermarks: GateStats,
    /// The connections to each Redis that instances share.
    pub redis: Vec<RedisStats>,
    /// Requests and answers.
    pub http: HttpStats,
    /// What the process uses.
    pub process: ProcessStats,
}

/// Requests and answers since the start.
#[derive(Clone, Debug, Serialize)]
pub struct HttpStats {
    /// Requests answered.
    pub requests: u64,
    /// Requests being answered; streamed bodies count until their answer began.
    pub in_flight: u64,
    /// Panics of request handlers, each answered with 500.
    pub panics: u64,
    /// Explanations made, because a request had the debug header and the configuration allows it.
    pub explanations: u64,
    /// Answers by class of status.
    pub by_class: [(&'static str, u64); 4],
}

/// Counts requests and answers. Shared by all workers.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    started: AtomicU64,
    ended: AtomicU64,
    panics: AtomicU64,
    explanations: AtomicU64,
    by_class: [AtomicU64; 4],
}

/// A request that was counted as started. One that is dropped unanswered counts as ended all the same.
#[derive(Debug)]
pub struct Counted(Arc<Counters>);

impl Traffic {
    /// Counts a request in.
    pub fn begin(&self) -> Counted {
        self.0.started.fetch_add(1, Relaxed);
        Counted(Arc::clone(&self.0))
    }

    /// Counts a panic of a handler.
    pub fn panicked(&self) {
        self.0.panics.fetch_add(1, Relaxed);
    }

    /// Counts an explanation.
    pub fn explained(&self) {
        self.0.explanations.fetch_add(1, Relaxed);
    }

    /// The counts so far.
    pub fn stats(&self) -> HttpStats {
        let counters = &self.0;
        let ended = counters.ended.load(Relaxed);
        let class = |index: usize| counters.by_class[index].load(Relaxed);
        HttpStats {
            requests: ended,
            in_flight: counters.started.load(Relaxed).saturating_sub(ended),
            panics: counters.panics.load(Relaxed),
            explanations: counters.explanations.load(Relaxed),
            by_class: [("2xx", class(0)), ("3xx", class(1)), ("4xx", class(2)), ("5xx", class(3))],
        }
    }
}

impl Counted {
    /// Counts the answer by its class.
    pub fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(2).min(3);
        self.0.by_class[class].fetch_add(1, Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_dropped_without_an_answer_is_no_longer_in_flight() {
        let traffic = Traffic::default();
        let answered = traffic.begin();
        let dropped = traffic.begin();
        assert_eq!(traffic.stats().in_flight, 2);
        answered.answered(StatusCode::NOT_MODIFIED);
        drop(answered);
        drop(dropped);
        let stats = traffic.stats();
        assert_eq!((stats.requests, stats.in_flight), (2, 0));
        assert_eq!(stats.by_class, [("2xx", 0), ("3xx", 1), ("4xx", 0), ("5xx", 0)]);
    }
}

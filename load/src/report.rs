//! What a run came to: for eyes, for machines and for browsers.

mod html;
mod phase;
mod plot;
mod text;

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

pub(crate) use phase::{Latency, Phase, Usage};

use crate::record::Lately;
use crate::units::Share;
use crate::watch::Reading;

/// Everything about one run of the tool.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The tool and its version.
    pub(crate) tool: &'static str,
    pub(crate) scenario: &'static str,
    /// What was asked for.
    pub(crate) url: String,
    pub(crate) seed: u64,
    pub(crate) phases: Vec<Phase>,
    /// What the server held before the first phase and after it came to rest.
    pub(crate) before: Reading,
    pub(crate) after: Reading,
    /// What was asked to be kept.
    pub(crate) checks: Vec<Check>,
    /// Moments at which the server had come to rest after a round, in seconds.
    pub(crate) rests: Vec<f64>,
    pub(crate) samples: Vec<Sample>,
}

/// A figure and its limit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) limit: String,
    pub(crate) found: String,
    pub(crate) kept: bool,
}

/// The server and its answers at one moment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the tool began.
    pub(crate) at: f64,
    /// Since the sample before.
    pub(crate) answers_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    #[serde(flatten)]
    pub(crate) server: Reading,
}

impl Report {
    pub(crate) const TOOL: &'static str = concat!("mortar-load ", env!("CARGO_PKG_VERSION"));

    /// # Errors
    /// When it cannot be written. A reader that has gone away is no failure.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        match text::write(self, out) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// # Errors
    /// Never in practice: all keys are text and all numbers finite.
    pub(crate) fn json(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// A page with plots that needs no other file.
    pub(crate) fn html(&self) -> String {
        html::page(self)
    }
}

impl Sample {
    pub(crate) fn new(at: Duration, lately: Lately, since: Duration, server: Reading) -> Self {
        let seconds = since.as_secs_f64();
        Self {
            at: at.as_secs_f64(),
            answers_per_second: if seconds > 0.0 { lately.answered as f64 / seconds } else { 0.0 },
            p50_ms: milliseconds(lately.p50),
            p99_ms: milliseconds(lately.p99),
            server,
        }
    }
}

impl Check {
    pub(crate) fn at_least(what: impl Into<String>, found: f64, limit: f64, unit: &str) -> Self {
        Self::new(what, format!("at least {limit:.0}{unit}"), format!("{found:.0}{unit}"), found >= limit)
    }

    pub(crate) fn at_most(what: impl Into<String>, found: f64, limit: f64, unit: &str) -> Self {
        Self::new(what, format!("at most {limit:.1}{unit}"), format!("{found:.1}{unit}"), found <= limit)
    }

    pub(crate) fn none(what: impl Into<String>, found: u64) -> Self {
        Self::new(what, "none".to_owned(), found.to_string(), found == 0)
    }

    /// Whether the server is back where it was: memory by the share, other things exactly.
    pub(crate) fn back(before: &Reading, after: &Reading, within: Share) -> Vec<Self> {
        let mut checks = Vec::new();
        if let (Some(before), Some(after)) = (before.resident_bytes, after.resident_bytes) {
            let limit = before as f64 * (1.0 + within.0);
            checks.push(Self::at_most("settled memory", megabytes(after), limit / 1e6, " MB"));
        }
        let counts = [("tasks", before.tasks, after.tasks), ("descriptors", before.descriptors, after.descriptors)];
        for (what, before, after) in counts {
            if let (Some(before), Some(after)) = (before, after) {
                checks.push(Self::new(what, format!("at most {before}"), after.to_string(), after <= before));
            }
        }
        let flights = after.flights.unwrap_or_default() + after.requests.unwrap_or_default();
        checks.push(Self::none("requests and flights left", flights));
        checks.push(Self::none("gates with permits left", after.permits.len() as u64));
        checks
    }

    fn new(what: impl Into<String>, limit: String, found: String, kept: bool) -> Self {
        Self { what: what.into(), limit, found, kept }
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_may_come_back_to_a_little_more_and_nothing_else_may() {
        let before = Reading { resident_bytes: Some(100), tasks: Some(5), ..Reading::default() };
        let kept = |after: &Reading| Check::back(&before, after, Share(0.1)).iter().all(|check| check.kept);
        assert!(kept(&Reading { resident_bytes: Some(110), tasks: Some(5), ..Reading::default() }));
        assert!(!kept(&Reading { resident_bytes: Some(111), tasks: Some(5), ..Reading::default() }));
        assert!(!kept(&Reading { resident_bytes: Some(100), tasks: Some(6), ..Reading::default() }));
        assert!(!kept(&Reading { flights: Some(1), ..before.clone() }));
    }
}

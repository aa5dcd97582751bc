//! What a running Mortar holds at one moment, to be compared before and after a load.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Mortar, wait_for};

/// How long everything may take to be as it was.
const SETTLING: Duration = Duration::from_secs(40);
/// Descriptors and tasks that come and go by themselves: a health check, the connection that asks for the reading.
const STIR: u64 = 4;

/// One reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// The highest resident memory so far, in bytes.
    pub(crate) peak: u64,
    /// Open file descriptors.
    pub(crate) descriptors: u64,
    /// Live tasks.
    pub(crate) tasks: u64,
    /// Permits, flights, waiters, messages, requests, results to be stored: all that nothing remains of at rest.
    pub(crate) under_way: u64,
}

impl Reading {
    /// Takes a reading.
    pub(crate) fn of(mortar: &Mortar) -> Self {
        let stats = mortar.stats();
        let id = mortar.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let kibibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
        };
        Self {
            resident: kibibytes("VmRSS:"),
            peak: kibibytes("VmHWM:"),
            descriptors: fs::read_dir(format!("/proc/{id}/fd")).unwrap().count() as u64,
            tasks: stats["process"]["tasks"].as_u64().unwrap(),
            under_way: under_way(&stats),
        }
    }

    /// Waits until nothing is under way, and takes a reading.
    pub(crate) fn at_rest(mortar: &Mortar) -> Self {
        wait_for("nothing to be under way", || Some(Self::of(mortar)).filter(|reading| reading.under_way == 0))
    }

    /// Waits until everything is as it was in this reading; memory may have grown by `growth` bytes.
    pub(crate) fn comes_back(&self, mortar: &Mortar, growth: u64) {
        let limit = Instant::now() + SETTLING;
        loop {
            let now = Self::of(mortar);
            let is_back = now.under_way == 0
                && now.descriptors <= self.descriptors + STIR
                && now.tasks <= self.tasks + STIR
                && now.resident <= self.resident + growth;
            if is_back {
                return;
            }
            assert!(Instant::now() < limit, "it did not come back\nbefore: {self:?}\nafter:  {now:?}");
            thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn under_way(stats: &Value) -> u64 {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let children = stats["tree"]["children"].as_array().unwrap().iter();
    let of_actors = children.map(|child| {
        let gates = child["gates"].as_array().unwrap().iter();
        let gates: u64 = gates.map(|gate| number(&gate["held"]) + number(&gate["waiting"])).sum();
        let (lock, back) = (&child["detail"]["lock"], &child["detail"]["store_back"]);
        let details = [&lock["live"], &lock["waiters"], &back["queued"], &back["writing"]];
        gates + number(&child["queued"]) + number(&child["running"]) + details.into_iter().map(number).sum::<u64>()
    });
    of_actors.sum::<u64>() + number(&stats["http"]["in_flight"])
}

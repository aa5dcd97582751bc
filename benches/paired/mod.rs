//! A small harness for comparisons on a machine that is not quiet.
//!
//! What counts here is a ratio: ours against the bare calls that it is made of, or against another program. The
//! harnesses that one finds (criterion, divan) measure one side to the end and then the other, so that a neighbour who
//! wakes up in between moves only one of them. Here both sides take turns in one process, A B B A A B ..., each pair
//! gives one ratio, and the median of the ratios is the result, with the 10th and 90th percentile as its spread. The
//! absolute medians are printed for information only.

mod clock;

use std::fmt;
use std::time::Duration;

pub(crate) use clock::{Clock, child_cpu};

/// The middle of many values, and how far most of them lie from it.
#[derive(Clone, Copy, Debug)]
struct Spread {
    median: f64,
    /// The 10th percentile.
    low: f64,
    /// The 90th percentile.
    high: f64,
}

/// What one comparison came to.
struct Comparison {
    name: String,
    clock: Clock,
    target: Option<f64>,
    /// Ours divided by the other's, pair by pair.
    ratio: Spread,
    ours: Duration,
    other: Duration,
}

/// A comparison that is yet to be made.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    name: String,
    clock: Clock,
    rounds: usize,
    units: u32,
    target: Option<f64>,
}

impl Pair {
    /// A comparison by `clock` over so many pairs of turns, after one pair that is not counted.
    pub(crate) fn new(name: impl Into<String>, clock: Clock, rounds: usize) -> Self {
        Self { name: name.into(), clock, rounds, units: 1, target: None }
    }

    /// The ratio that is not to be exceeded.
    pub(crate) fn target(self, ratio: f64) -> Self {
        Self { target: Some(ratio), ..self }
    }

    /// How many units of work a turn of [`Pair::run`] has. Costs are told for one.
    pub(crate) fn per(self, units: u32) -> Self {
        Self { units, ..self }
    }

    /// Lets both sides take turns, measured by the clock, and prints the outcome.
    pub(crate) fn run<T, U>(self, mut ours: impl FnMut() -> T, mut other: impl FnMut() -> U) {
        let (clock, units) = (self.clock, self.units);
        self.run_measured(|| clock.time(&mut ours) / units, || clock.time(&mut other) / units);
    }

    /// As [`Pair::run`] for sides that measure themselves. Each turn gives the cost of one unit of its work.
    pub(crate) fn run_measured(self, mut ours: impl FnMut() -> Duration, mut other: impl FnMut() -> Duration) {
        ours();
        other();
        let (mut costs, mut other_costs) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            // Whoever is first may find a colder cache or a faster clock, so both are first equally often.
            if round % 2 == 0 {
                costs.push(ours());
                other_costs.push(other());
            } else {
                other_costs.push(other());
                costs.push(ours());
            }
        }
        let ratios = costs.iter().zip(&other_costs).map(|(ours, other)| ours.as_secs_f64() / other.as_secs_f64());
        let comparison = Comparison {
            ratio: Spread::of(ratios.collect()),
            ours: median(costs),
            other: median(other_costs),
            name: self.name,
            clock: self.clock,
            target: self.target,
        };
        say(&comparison.to_string());
    }
}

impl Spread {
    /// The spread of some values, of which there must be one at least.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Self { median: at(0.5), low: at(0.1), high: at(0.9) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}-{:.2})", self.median, self.low, self.high)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, ratio, ours, other, clock, .. } = self;
        write!(f, "{name:<34} {ratio:<20} {clock} {:>9} against {:>9}", short(*ours), short(*other))?;
        match self.target {
            None => Ok(()),
            Some(target) if ratio.median <= target => write!(f, "  target {target:.2}: met"),
            Some(target) => write!(f, "  target {target:.2}: MISSED"),
        }
    }
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

/// A duration with three digits or so.
fn short(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos() as f64;
    match nanoseconds {
        ..1e4 => format!("{nanoseconds:.0} ns"),
        ..1e7 => format!("{:.1} us", nanoseconds / 1e3),
        _ => format!("{:.1} ms", nanoseconds / 1e6),
    }
}

/// Prints a line of the report.
#[expect(clippy::print_stdout, reason = "the report is what a benchmark is for")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

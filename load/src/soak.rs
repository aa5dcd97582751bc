//! The same storm again and again: what is left of each round must not add up.

use std::io;

use crate::cli::SoakOptions;
use crate::observe::{Load, Observer};
use crate::pace::Pace;
use crate::plan::{Plan, Usual, address, shown};
use crate::report::{Check, Phase, Report, megabytes};
use crate::run::Run;
use crate::units::Share;
use crate::watch::Reading;

/// Requests of a round for which no amount is given.
const REQUESTS: u64 = 10_000;

/// What a soak has of bad manners, unless told otherwise.
const USUAL: Usual = Usual { leave_before: 0.02, leave_within: 0.02, trickle: 0.002, impatient: 0.01 };

/// # Errors
/// When the server is not there or cannot be looked at.
pub(crate) async fn run(soak: &SoakOptions) -> io::Result<Report> {
    let options = &soak.options;
    let seed = options.seed.unwrap_or_else(rand::random);
    let address = address(&soak.traffic.url)?;
    let mut plan = Plan::new(&soak.traffic, USUAL, seed);
    let mut observer = Observer::new(options)?;
    let amount = soak.amount;
    let requests = amount.requests.or(amount.seconds.is_none().then_some(REQUESTS));
    let before = observer.reading().await?;
    let (mut phases, mut rests) = (Vec::new(), Vec::new());
    for round in 1..=soak.rounds {
        let pace = Pace::new(requests, amount.seconds, amount.rate);
        let mut phase = observer
            .run(Load {
                name: format!("round {round}"),
                run: Run::new(address, plan.clone(), pace, options.patience),
                connections: options.connections.get(),
                apart: false,
            })
            .await?;
        phase.settled = Some(observer.settled(&before).await?);
        rests.push(observer.now());
        plan.skip(phase.requests);
        phases.push(phase);
    }
    let after = observer.reading().await?;
    Ok(Report {
        tool: Report::TOOL,
        scenario: "soak",
        url: shown(&soak.traffic.url),
        seed,
        checks: checks(&phases, soak.tolerance),
        phases,
        before,
        after,
        rests,
        samples: observer.samples,
    })
}

/// The first round fills caches and starts threads, so that the second is what the last is held against.
fn checks(phases: &[Phase], tolerance: Share) -> Vec<Check> {
    let mut checks = vec![Check::none("requests without an answer", phases.iter().map(Phase::failed).sum())];
    let settled: Vec<_> = phases.iter().filter_map(|phase| phase.settled.as_ref()).collect();
    let [_, second, .., last] = settled.as_slice() else { return checks };
    checks.extend(Check::back(second, last, tolerance));
    checks.push(Check::none("rounds that did not come to rest", unrested(&settled)));
    let memory = settled.iter().filter_map(|reading| reading.resident_bytes).map(megabytes);
    let highest = memory.fold(0.0, f64::max);
    if let Some(second) = second.resident_bytes.map(megabytes) {
        checks.push(Check::at_most("highest settled memory", highest, second * (1.0 + 2.0 * tolerance.0), " MB"));
    }
    checks
}

fn unrested(settled: &[&Reading]) -> u64 {
    settled.iter().filter(|reading| !reading.is_at_rest()).count() as u64
}

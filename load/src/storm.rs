//! One storm.

use std::io;

use crate::cli::{Limits, StormOptions};
use crate::observe::{Load, Observer};
use crate::pace::Pace;
use crate::plan::{Plan, Usual, address, shown};
use crate::report::{Check, Phase, Report, megabytes, milliseconds};
use crate::run::Run;
use crate::watch::Reading;

/// Requests of a storm for which no amount is given.
const REQUESTS: u64 = 10_000;

/// # Errors
/// When the server is not there or cannot be looked at.
pub(crate) async fn run(storm: &StormOptions) -> io::Result<Report> {
    let options = &storm.options;
    let seed = options.seed.unwrap_or_else(rand::random);
    let address = address(&storm.traffic.url)?;
    let mut plan = Plan::new(&storm.traffic, Usual::default(), seed);
    let mut observer = Observer::new(options)?;
    let load = |name: &str, plan: &Plan, pace| Load {
        name: name.to_owned(),
        run: Run::new(address, plan.clone(), pace, options.patience),
        connections: options.connections.get(),
        apart: false,
    };
    if storm.warm_up > 0 {
        let before = observer.reading().await?;
        observer.run(load("warm-up", &plan, Pace::new(Some(storm.warm_up), None, None))).await?;
        observer.settled(&before).await?;
        plan.skip(storm.warm_up);
    }
    let amount = storm.amount;
    let requests = amount.requests.or(amount.seconds.is_none().then_some(REQUESTS));
    let before = observer.reading().await?;
    let mut phase = observer.run(load("storm", &plan, Pace::new(requests, amount.seconds, amount.rate))).await?;
    let after = observer.settled(&before).await?;
    phase.settled = Some(after.clone());
    Ok(Report {
        tool: Report::TOOL,
        scenario: "storm",
        url: shown(&storm.traffic.url),
        seed,
        checks: checks(storm.limits, &phase, &before, &after),
        phases: vec![phase],
        before,
        after,
        rests: vec![observer.now()],
        samples: observer.samples,
    })
}

fn checks(limits: Limits, phase: &Phase, before: &Reading, after: &Reading) -> Vec<Check> {
    let mut checks = vec![Check::none("requests without an answer", phase.failed())];
    if let Some(rate) = limits.min_rate {
        checks.push(Check::at_least("answers", phase.answers_per_second, rate, "/s"));
    }
    if let Some(time) = limits.max_p99 {
        checks.push(Check::at_most("latency, p99", phase.latency.p99_ms, milliseconds(time), " ms"));
    }
    if let Some((limit, peak)) = limits.max_resident.zip(phase.server.peak_resident_bytes) {
        checks.push(Check::at_most("peak memory", megabytes(peak), megabytes(limit), " MB"));
    }
    if let Some(share) = limits.back_within {
        checks.extend(Check::back(before, after, share));
    }
    checks
}

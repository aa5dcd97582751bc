//! Pictures from the cache while far more rendering is asked for than the server can do.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use url::Url;

use crate::cli::OverloadOptions;
use crate::observe::{Load, Observer};
use crate::pace::Pace;
use crate::plan::{Plan, address, shown};
use crate::report::{Check, Phase, Report, milliseconds};
use crate::run::Run;
use crate::units::Share;
use crate::watch::Watch;

/// Connections that render, to find out how much the server can do: enough for any number of cores that it is likely to
/// have, and far from what makes it refuse.
const RENDERING: usize = 16;
/// How often the pages that tell of its state are asked for.
const LOOK: Duration = Duration::from_millis(100);
/// How long the storm blows before memory is looked at for the first time.
const WARM_UP: Duration = Duration::from_secs(2);
/// How much more memory is allowed afterwards than before.
const BACK_WITHIN: Share = Share(0.1);

/// What `/health` and `/ready` said.
#[derive(Clone, Copy, Debug, Default)]
struct Pages {
    /// Answers of `/health` other than 200, or none at all.
    unhealthy: u64,
    /// The longest that `/health` took.
    slowest: Duration,
    /// Whether `/ready` said no at any time.
    said_no: bool,
}

/// # Errors
/// When the server is not there or cannot be looked at.
pub(crate) async fn run(overload: &OverloadOptions) -> io::Result<Report> {
    let options = &overload.options;
    let seed = options.seed.unwrap_or_else(rand::random);
    let mut observer = Observer::new(options)?;
    let mut cold = Plan::plain(&overload.cold, overload.first, seed);
    // The storm is not to be seen in how long this tool itself takes to ask for hits and to read them.
    let load = |name: &str, url: &Url, plan: Plan, pace, connections| {
        let run = Run::new(address(url)?, plan, pace, options.patience);
        io::Result::Ok(Load { name: name.to_owned(), run, connections, apart: true })
    };
    let hits = |name: &str| {
        let pace = Pace::new(None, Some(overload.seconds), Some(overload.hot_rate));
        load(name, &overload.hot, Plan::plain(&overload.hot, 0, seed), pace, options.connections.get())
    };

    let first = Pace::new(Some(1), None, None);
    observer.run(load("first", &overload.hot, Plan::plain(&overload.hot, 0, seed), first, 1)?).await?;
    let alone = observer.run(hits("hits alone")?).await?;
    let pace = Pace::new(None, Some(overload.seconds), None);
    let rendered = observer.run(load("renders alone", &overload.cold, cold.clone(), pace, RENDERING)?).await?;
    cold.skip(rendered.requests);
    let rate = rendered.answers_per_second * overload.times;
    let storm = |name: &str, plan: &Plan, time| {
        let pace = Pace::new(None, Some(time), Some(rate));
        load(name, &overload.cold, plan.clone(), pace, overload.cold_connections.get())
    };
    // The first one leaves threads and buffers for those that come after it.
    let begin = observer.run(storm("warm-up", &cold, WARM_UP)?).await?;
    cold.skip(begin.requests);
    let before = observer.reading().await?;
    let before = observer.settled(&before).await?;
    let storm = storm("too many renders", &cold, overload.seconds)?;
    let ended = Arc::new(AtomicBool::new(false));
    let asked = tokio::spawn(ask_pages(observer.another_watch(options)?, Arc::clone(&ended)));
    let phases = observer.run_all(vec![hits("hits beside")?, storm]).await;
    ended.store(true, Relaxed);
    let pages = asked.await.map_err(io::Error::other)?;
    let mut phases = phases?;
    let after = observer.settled(&before).await?;

    let (hits, storm) = (&phases[0], &phases[1]);
    let mut checks = checks(overload, &alone, hits, storm);
    if options.internal.is_some() {
        checks.push(Check::none("times that /health failed", pages.unhealthy));
        checks.push(Check::at_most("/health, longest", milliseconds(pages.slowest), 1e3, " ms"));
        checks.push(Check::at_least("/ready said no", f64::from(u8::from(pages.said_no)), 1.0, ""));
    }
    checks.extend(Check::back(&before, &after, BACK_WITHIN));
    let mut all = vec![alone, rendered];
    all.append(&mut phases);
    Ok(Report {
        tool: Report::TOOL,
        scenario: "overload",
        url: format!("{} beside {}", shown(&overload.hot), shown(&overload.cold)),
        seed,
        checks,
        phases: all,
        before,
        after,
        rests: vec![observer.now()],
        samples: observer.samples,
    })
}

fn checks(overload: &OverloadOptions, alone: &Phase, hits: &Phase, storm: &Phase) -> Vec<Check> {
    let limit = alone.latency.p99_ms * overload.hits_within;
    let refusals = storm.statuses.get(&503);
    let refused_within = refusals.map_or(0.0, |refusals| refusals.latency.p99_ms);
    vec![
        Check::none("hits not answered with 200", hits.failed() + hits.answered_otherwise_than(&[200])),
        Check::at_most("hits beside renders, p99", hits.latency.p99_ms, limit, " ms"),
        Check::at_least("renders refused", refusals.map_or(0.0, |refusals| refusals.count as f64), 1.0, ""),
        Check::at_most("refusals, p99", refused_within, milliseconds(overload.refusals_within), " ms"),
        Check::none("refusals without Retry-After", storm.unguided),
        Check::none("renders neither made nor refused", storm.failed() + storm.answered_otherwise_than(&[200, 503])),
    ]
}

async fn ask_pages(mut watch: Watch, ended: Arc<AtomicBool>) -> Pages {
    let mut pages = Pages::default();
    while !ended.load(Relaxed) {
        let begun = Instant::now();
        match watch.page("/health").await {
            Ok(Some((200, _))) => pages.slowest = pages.slowest.max(begun.elapsed()),
            Ok(None) => return pages,
            Ok(Some(_)) | Err(_) => pages.unhealthy += 1,
        }
        pages.said_no |= matches!(watch.page("/ready").await, Ok(Some((503, _))));
        sleep(LOOK).await;
    }
    pages
}

//! Load for other programs of this workspace: benchmarks that compare servers.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use url::Url;

use crate::pace::Pace;
use crate::plan::{Plan, address};
use crate::run::Run;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a number of requests.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub failed: u64,
    /// Bytes of all bodies.
    pub bytes: u64,
}

impl Answers {
    /// Whether every request was answered with 200.
    pub fn are_clean(&self) -> bool {
        self.failed == 0 && self.statuses.keys().all(|status| *status == 200)
    }
}

/// Asks for a URL so many times over so many connections, each of which asks again when it was answered. A `{number}` in the
/// URL becomes the number of the request. Blocks until all are answered.
///
/// # Errors
/// When the URL is none, or connections cannot be opened.
pub fn ask(url: &str, connections: usize, requests: u64) -> io::Result<Answers> {
    let url: Url = url.parse().map_err(io::Error::other)?;
    let run = Run::new(address(&url)?, Plan::plain(&url, 0, 0), Pace::new(Some(requests), None, None), PATIENCE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run.carry_out(connections))?;
    let tally = run.recorder.tally();
    let statuses = tally.answers.iter().map(|(status, answers)| (*status, answers.len())).collect();
    Ok(Answers { statuses, failed: tally.failed(), bytes: tally.bytes })
}

//! The one place that waits on the clock.

use std::future::Future;
use std::time::Duration;

use crate::fault::{Fault, FaultKind};
use crate::vocab::Deadline;

/// Waits for `work` up to the deadline; dropping it then ends it.
///
/// # Errors
/// `TimedOut` when the deadline passes first.
pub(crate) async fn within<F: Future>(deadline: Deadline, work: F) -> Result<F::Output, Fault> {
    tokio::time::timeout_at(deadline.instant(), work)
        .await
        .map_err(|_| Fault::new(FaultKind::TimedOut, "the work took longer than its deadline allows"))
}

/// Lets `time` pass.
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits until `condition` holds, looking every `period`.
pub(crate) async fn until(condition: impl Fn() -> bool, period: Duration) {
    while !condition() {
        pause(period).await;
    }
}

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

/// The pause before what found no room is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks again as long as there is no room, up to the deadline: for work that nobody waits for and that has to be done.
///
/// # Errors
/// What the last ask ended with.
pub async fn patiently<T, F>(deadline: Deadline, ask: impl Fn(Deadline) -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    loop {
        match ask(deadline).await {
            Err(fault) if fault.kind() == FaultKind::Overloaded && !deadline.has_passed() => {
                pause(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

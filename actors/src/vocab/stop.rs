use tokio_util::sync::CancellationToken;

use super::Deadline;
use crate::fault::{Fault, FaultKind};

/// Tells running work whether anyone still wants it: raised when the last requester leaves or the deadline passes.
///
/// Work on a CPU thread calls [`StopFlag::check`] between its stages; waiting work selects on [`StopFlag::raised`].
#[derive(Clone, Debug)]
pub struct StopFlag {
    token: CancellationToken,
    deadline: Deadline,
}

impl StopFlag {
    /// A flag that only its deadline raises, until somebody calls [`StopFlag::raise`].
    pub fn new(deadline: Deadline) -> Self {
        Self { token: CancellationToken::new(), deadline }
    }

    /// The deadline that raises this flag by itself.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Says that nobody wants the work any more. It cannot be taken back.
    pub fn raise(&self) {
        self.token.cancel();
    }

    /// Whether the work should end.
    pub fn is_raised(&self) -> bool {
        self.token.is_cancelled() || self.deadline.has_passed()
    }

    /// Ends the work at the next `?` once the flag is up.
    ///
    /// # Errors
    /// [`FaultKind::Cancelled`] when the requesters left, [`FaultKind::TimedOut`] when the deadline passed.
    pub fn check(&self) -> Result<(), Fault> {
        if self.token.is_cancelled() {
            return Err(Fault::new(FaultKind::Cancelled, "nobody waits for this work any more"));
        }
        if self.deadline.has_passed() {
            return Err(Fault::new(FaultKind::TimedOut, "the deadline passed while working"));
        }
        Ok(())
    }

    /// Waits until the flag is up and says why.
    pub async fn raised(&self) -> Fault {
        let timed_out = tokio::time::timeout_at(self.deadline.instant(), self.token.cancelled()).await.is_err();
        if timed_out {
            Fault::new(FaultKind::TimedOut, "the deadline passed")
        } else {
            Fault::new(FaultKind::Cancelled, "nobody waits for this work any more")
        }
    }
}

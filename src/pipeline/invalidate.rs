//! What was derived from an original goes when the original is replaced or removed.

use std::sync::Arc;
use std::time::Duration;

use mortar_actors::{Deadline, Fault, FaultKind, OriginalId, Originals};
use serde::Serialize;

use super::{Pipeline, variants};

/// How long writes of old results that had begun may take to end. Those that take longer see for themselves that they
/// are old, and remove what they wrote.
const SETTLING: Duration = Duration::from_secs(10);

/// The pauses before what could not be removed is tried again.
const REMOVING_AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// What became of the results of originals that were replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Invalidation {
    /// Stored results that were removed.
    pub removed: u64,
    /// Stored results, or listings of them, that could not be reached; the log has the reasons. They are found again
    /// when the same is asked for once more.
    pub failed: u64,
    /// Whether other instances were told; also `true` when there are none. Those that were not forget what is in their
    /// memory when its time to live has passed.
    pub others_told: bool,
    /// Whether nothing old was still being written by this instance when results were removed.
    #[serde(skip)]
    pub(super) settled: bool,
}

impl Invalidation {
    /// Whether nothing old can be found any more.
    pub(super) fn is_complete(self) -> bool {
        self.failed == 0 && self.others_told && self.settled
    }
}

impl Pipeline {
    /// As [`Pipeline::purge`], for one original.
    pub(super) async fn purge_one(self: &Arc<Self>, original: &OriginalId) -> Result<Invalidation, Fault> {
        self.purge(Originals::One(original.clone())).await
    }

    /// Makes everything that was derived from originals of one bucket disappear, whether they exist or not: from the
    /// memory of this instance and of the others, from the cache that they share, and from the stores of results. A
    /// request that comes after it has ended is answered with the object as it is now; one that came before may get the
    /// old picture. Until it has ended, what is made of them is kept in memory only.
    ///
    /// It is finished even if the caller leaves. Writes and removals of objects bring it about by themselves.
    ///
    /// # Errors
    /// `Panicked` when it did not end in an orderly way. What could not be reached is no fault; it is told.
    pub async fn purge(self: &Arc<Self>, originals: Originals) -> Result<Invalidation, Fault> {
        let pipeline = Arc::clone(self);
        let purging = tokio::spawn(async move { purge(&pipeline, originals).await });
        purging
            .await
            .map_err(|cause| Fault::new(FaultKind::Panicked, "the results were not all removed").caused_by(cause))
    }
}

/// The order matters: once nothing old is written any more, what is stored is removed; what was read of it just before is
/// forgotten after that.
async fn purge(pipeline: &Pipeline, originals: Originals) -> Invalidation {
    let closed = pipeline.epochs.close(originals.clone(), Deadline::within(SETTLING)).await;
    pipeline.transform.let_out(&originals);
    pipeline.overlays.forget(&originals);
    let mut removal = variants::remove(pipeline, &originals, closed.token).await;
    // What is left behind would be served as if it were new, so a store that stumbles is asked again.
    for pause in REMOVING_AGAIN {
        if removal.failed == 0 {
            break;
        }
        tokio::time::sleep(pause).await;
        let again = variants::remove(pipeline, &originals, closed.token).await;
        removal = variants::Removal { removed: removal.removed + again.removed, failed: again.failed };
    }
    let variants::Removal { removed, failed } = removal;
    let settled = closed.settled;
    let others_told = closed.reopen().await;
    tracing::debug!(?originals, removed, failed, others_told, "results of replaced originals are removed");
    Invalidation { removed, failed, others_told, settled }
}

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::doubts::Doubtful;
use super::queue::{Ending, Outcome, Queue};
use super::{StoreBackItem, StoreBackSettings};
use crate::epoch::Verdict;
use crate::fault::Fault;
use crate::storage::StorageHandle;
use crate::vocab::{Deadline, ObjectKey, StoreId};
use crate::wait::{patiently, pause};

/// The time between two rounds of questions of which one is not answered.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(1);
/// Most questions of one round: the marks are asked no more often than that while they do not help.
const ROUND: usize = 100;

/// Writes what comes into the queue, several at once, and settles what was left open, for ever.
pub(super) async fn work(queue: Arc<Queue>, storage: StorageHandle, settings: StoreBackSettings) {
    tokio::join!(write_all(&queue, &storage, &settings), settle_doubts(&queue, &storage, &settings));
}

async fn write_all(queue: &Arc<Queue>, storage: &StorageHandle, settings: &StoreBackSettings) {
    let writers = settings.writers.max(1);
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = under_way.next() => {}
            (item, outcome) = queue.next(), if under_way.len() < writers => {
                under_way.push(write(item, outcome, queue, storage, settings));
            }
        }
    }
}

async fn write(
    item: StoreBackItem,
    outcome: Outcome,
    queue: &Queue,
    storage: &StorageHandle,
    settings: &StoreBackSettings,
) {
    let deadline = Deadline::within(settings.write_timeout);
    let Some(commit) = item.epoch.commit() else { return outcome.tell(Ending::Outdated) };
    let written = write_marked(&item, storage, deadline).await;
    if let Err(fault) = &written {
        tracing::warn!(error = fault as &dyn Error, "a result could not be stored");
    }
    // A write that failed may have arrived all the same.
    match commit.verdict().await {
        Verdict::Stands => {}
        Verdict::Outdated => {
            remove(&item.store, &item.key, storage, settings).await;
            commit.recall().await;
            return outcome.tell(Ending::Outdated);
        }
        Verdict::Unknown => {
            let doubtful = Doubtful { store: item.store, key: item.key, doubt: commit.in_doubt() };
            if let Some(oldest) = queue.doubts.add(doubtful) {
                take_back(&oldest, queue, storage, settings).await;
            }
        }
    }
    outcome.tell(if written.is_ok() { Ending::Written } else { Ending::Failed });
}

/// Looks, as long as there are any, whether by now it is known of the results in doubt if they are old. One of which it is
/// not keeps no other one waiting.
async fn settle_doubts(queue: &Queue, storage: &StorageHandle, settings: &StoreBackSettings) {
    loop {
        queue.doubts.any().await;
        let mut all_known = true;
        for _ in 0..queue.doubts.len().min(ROUND) {
            let Some(taken) = queue.doubts.take() else { break };
            match taken.doubtful().doubt.verdict().await {
                Verdict::Stands => taken.settle(),
                Verdict::Outdated => {
                    take_back(taken.doubtful(), queue, storage, settings).await;
                    taken.settle();
                }
                Verdict::Unknown => all_known = false,
            }
        }
        if !all_known {
            pause(UNKNOWN_AGAIN).await;
        }
    }
}

/// Removes a result that is old, or may be, and has everyone forget what they read of it.
async fn take_back(doubtful: &Doubtful, queue: &Queue, storage: &StorageHandle, settings: &StoreBackSettings) {
    let Doubtful { store, key, doubt } = doubtful;
    remove(store, key, storage, settings).await;
    doubt.recall().await;
    queue.count_outdated();
}

/// Writes the marker and then the result, so that whatever is stored can be found.
async fn write_marked(item: &StoreBackItem, storage: &StorageHandle, deadline: Deadline) -> Result<(), Fault> {
    storage.mark_back(item.store.clone(), item.marker.clone(), deadline).await?;
    let body = item.rendition.body.clone();
    storage.put_back(item.store.clone(), item.key.clone(), item.meta.clone(), body, deadline).await
}

/// Removes a result that turned out to be old. Its marker stays: by now it may be that of a newer one.
async fn remove(store: &StoreId, key: &ObjectKey, storage: &StorageHandle, settings: &StoreBackSettings) {
    let deadline = Deadline::within(settings.write_timeout);
    let removed = patiently(deadline, |deadline| storage.delete_back(store, key, deadline));
    if let Err(fault) = removed.await {
        tracing::warn!(error = &fault as &dyn Error, "a result of a replaced original could not be removed");
    }
}

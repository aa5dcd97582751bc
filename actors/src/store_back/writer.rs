use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::queue::{Ending, Outcome, Queue};
use super::{StoreBackItem, StoreBackSettings};
use crate::fault::Fault;
use crate::storage::StorageHandle;
use crate::vocab::{Deadline, ObjectMeta};
use crate::wait::patiently;

/// Writes what comes into the queue, several at once, for ever.
pub(super) async fn write_all(queue: Arc<Queue>, storage: StorageHandle, settings: StoreBackSettings) {
    let writers = settings.writers.max(1);
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = under_way.next() => {}
            (item, outcome) = queue.next(), if under_way.len() < writers => {
                under_way.push(write(item, outcome, &storage, &settings));
            }
        }
    }
}

async fn write(item: StoreBackItem, outcome: Outcome, storage: &StorageHandle, settings: &StoreBackSettings) {
    let deadline = Deadline::within(settings.write_timeout);
    let Some(commit) = item.epoch.commit() else { return outcome.tell(Ending::Outdated) };
    let written = write_marked(&item, storage, deadline).await;
    if let Err(fault) = &written {
        tracing::warn!(error = fault as &dyn Error, "a result could not be stored");
    }
    // A write that failed may have arrived all the same.
    if !commit.stands().await {
        remove(&item, storage, Deadline::within(settings.write_timeout)).await;
        commit.recall().await;
        return outcome.tell(Ending::Outdated);
    }
    outcome.tell(if written.is_ok() { Ending::Written } else { Ending::Failed });
}

/// Writes the marker and then the result, so that whatever is stored can be found.
async fn write_marked(item: &StoreBackItem, storage: &StorageHandle, deadline: Deadline) -> Result<(), Fault> {
    let nothing = ObjectMeta { length: Some(0), ..ObjectMeta::default() };
    storage.put_back(item.store.clone(), item.marker.clone(), nothing, Bytes::new(), deadline).await?;
    let body = item.rendition.body.clone();
    storage.put_back(item.store.clone(), item.key.clone(), item.meta.clone(), body, deadline).await
}

/// Removes a result that turned out to be old. Its marker stays: by now it may be that of a newer one.
async fn remove(item: &StoreBackItem, storage: &StorageHandle, deadline: Deadline) {
    let removed = patiently(deadline, |deadline| storage.delete_back(&item.store, &item.key, deadline));
    if let Err(fault) = removed.await {
        tracing::warn!(error = &fault as &dyn Error, "a result of a replaced original could not be removed");
    }
}

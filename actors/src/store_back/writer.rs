use std::error::Error;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::queue::{Outcome, Queue};
use super::{StoreBackItem, StoreBackSettings};
use crate::storage::StorageHandle;
use crate::vocab::Deadline;

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
    let body = item.rendition.body.clone();
    let written = storage.put_back(item.store, item.key, item.meta, body, deadline).await;
    if let Err(fault) = &written {
        tracing::warn!(error = fault as &dyn Error, "a result could not be stored");
    }
    outcome.tell(written.is_ok());
}

//! The task that stores results back: the answer never waits for it.
//!
//! - **Owns**: the queue of finished results, and the names of stored ones that may turn out to be old.
//! - **Accepts**: `StoreBackHandle::offer`, which never waits and never fails.
//! - **Bounds**: results queued, their bytes, writes at once, time of each write, results in doubt. When full the oldest is
//!   dropped, or taken back.
//! - **On failure**: a write that fails is counted and not repeated; a panic loses what was being written, counted, and
//!   the task is started anew on the same queue.
//! - **Not its job**: keeping what is old. A result whose original was replaced is not stored; any that is not stored is
//!   rendered again.

mod doubts;
mod queue;
mod settings;
mod stats;
mod writer;

use std::sync::Arc;

pub use settings::StoreBackSettings;
pub use stats::StoreBackStats;
use tokio::sync::oneshot;

use crate::epoch::Epoch;
use crate::storage::StorageHandle;
use crate::tree::TreeBuilder;
use crate::vocab::{Deadline, ObjectKey, ObjectMeta, Rendition, StoreId};
use crate::wait::within;
use queue::{Queue, Queued};

/// A finished result on its way to a store.
#[derive(Clone, Debug)]
pub struct StoreBackItem {
    /// The store to write to.
    pub store: StoreId,
    /// The name to write by.
    pub key: ObjectKey,
    /// What to write besides the bytes.
    pub meta: ObjectMeta,
    /// The result; its buffer is shared with the cache and the answers.
    pub rendition: Arc<Rendition>,
    /// The name of the empty object by which the result is found when its original is replaced. It is written first:
    /// there is no result without.
    pub marker: ObjectKey,
    /// What the result was made under. Once it is over, the result is not written; or, where that shows only afterwards,
    /// removed again.
    pub epoch: Epoch,
}

/// A result on its way to its store. Dropping it changes nothing.
#[derive(Debug)]
pub struct Storing(oneshot::Receiver<bool>);

/// The way to the queue of results. Cheap to clone.
#[derive(Clone)]
pub struct StoreBackHandle {
    queue: Arc<Queue>,
}

impl StoreBackHandle {
    /// Hands a result over; never waits, never fails. When there is no room the oldest is dropped and counted. Who
    /// cares may wait for what becomes of it.
    pub fn offer(&self, item: StoreBackItem) -> Storing {
        let (told, stored) = oneshot::channel();
        self.queue.push(Queued { item, told });
        Storing(stored)
    }

    /// Waits until nothing is queued or being written, up to the deadline; `false` when something still is. To be
    /// called before the tree is stopped, which loses what is left.
    pub async fn flush(&self, deadline: Deadline) -> bool {
        within(deadline, self.queue.idle()).await.is_ok()
    }
}

impl Storing {
    /// Waits until the store has the result; `false` when it does not get it.
    pub async fn is_stored(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

impl TreeBuilder {
    /// Adds the task that stores results back.
    pub fn store_back(&mut self, settings: StoreBackSettings, storage: StorageHandle) -> StoreBackHandle {
        let queue = Arc::new(Queue::new(settings.items, settings.bytes));
        let (written, observed) = (Arc::clone(&queue), Arc::clone(&queue));
        self.observed_task("store-back", Some(observed), move || {
            writer::work(Arc::clone(&written), storage.clone(), settings.clone())
        });
        StoreBackHandle { queue }
    }
}

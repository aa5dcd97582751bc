//! Store back.

mod settings;
mod stats;

pub use settings::StoreBackSettings;
pub use stats::StoreBackStats;

use std::sync::Arc;

use crate::TreeBuilder;
use crate::storage::StorageHandle;
use crate::vocab::{Deadline, ObjectKey, ObjectMeta, Rendition, StoreId};

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
}

/// The way to the queue of results. Cheap to clone.
#[derive(Clone)]
pub struct StoreBackHandle {}

impl StoreBackHandle {
    /// Hands a result over; never waits, never fails. When there is no room the oldest is dropped and counted.
    pub fn offer(&self, item: StoreBackItem) {
        todo!()
    }
    /// Waits until everything offered so far is written, up to the deadline; `false` when some of it is not.
    pub async fn flush(&self, deadline: Deadline) -> bool {
        todo!()
    }
}

impl TreeBuilder {
    /// Adds the task that stores results back.
    pub fn store_back(&mut self, settings: StoreBackSettings, storage: StorageHandle) -> StoreBackHandle {
        todo!()
    }
}

//! Storage.

mod port;
mod settings;
mod stats;

pub use port::*;
pub use settings::StorageSettings;
pub use stats::{ClientStats, Reachability, StorageStats};

use std::sync::Arc;

use bytes::Bytes;

use crate::gate::Permit;
use crate::vocab::{Body, ByteRange, Deadline, Fetched, ObjectKey, ObjectMeta, StoreId};
use crate::{Fault, TreeBuilder};

/// The way to all stores. Cheap to clone.
#[derive(Clone)]
pub struct StorageHandle {}

/// An object held whole in memory, together with the bytes it was admitted by.
#[derive(Debug)]
pub struct Loaded {
    /// What the store knows of it.
    pub meta: ObjectMeta,
    /// All of its bytes.
    pub bytes: Bytes,
    /// Counts the bytes as buffered; to be dropped with them.
    pub buffered: Permit,
}

impl StorageHandle {
    /// Reads an object or one range of it.
    pub async fn fetch(
        &self,
        store: &StoreId,
        key: &ObjectKey,
        range: Option<ByteRange>,
        deadline: Deadline,
    ) -> Result<Fetched, Fault> {
        todo!()
    }
    /// Reads a whole object of at most `limit` bytes into memory.
    pub async fn load(
        &self,
        store: &StoreId,
        key: &ObjectKey,
        limit: u64,
        deadline: Deadline,
    ) -> Result<Loaded, Fault> {
        todo!()
    }
    /// Tells what `fetch` would, without the body.
    pub async fn stat(&self, store: &StoreId, key: &ObjectKey, deadline: Deadline) -> Result<ObjectMeta, Fault> {
        todo!()
    }
    /// Writes an object for a user.
    pub async fn put(
        &self,
        store: &StoreId,
        key: &ObjectKey,
        meta: ObjectMeta,
        body: Body,
        deadline: Deadline,
    ) -> Result<ObjectMeta, Fault> {
        todo!()
    }
    /// Removes one object.
    pub async fn delete(&self, store: &StoreId, key: &ObjectKey, deadline: Deadline) -> Result<(), Fault> {
        todo!()
    }
    /// Which stores answer.
    pub fn reachable(&self) -> Reachability {
        todo!()
    }
}

impl TreeBuilder {
    /// Adds the storage actor.
    pub fn storage(&mut self, settings: StorageSettings, stores: Arc<dyn OpenStore>) -> StorageHandle {
        todo!()
    }
}

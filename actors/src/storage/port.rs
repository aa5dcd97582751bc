//! What the storage actor needs of a store, and of whoever builds its clients.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{ListPage, ListRequest, PutCondition};
use crate::fault::Fault;
use crate::vocab::{Body, ByteRange, Fetched, ObjectKey, ObjectMeta, StoreId};

/// A client of one store: a directory, a bucket behind an S3 endpoint, an HTTP origin.
///
/// Only "there is no such object" is reported as [`FaultKind::NotFound`](crate::FaultKind::NotFound); an outage is an
/// upstream fault or a time-out. Futures may be dropped at any await: whatever was open is closed by the drop, and a
/// dropped `put` leaves the old object whole. Dropping the last reference to a client closes its connections.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads an object, or one range of it, in a single round trip that also tells its metadata.
    ///
    /// # Errors
    /// `NotFound`, `RangeNotSatisfiable`, `TooLarge` (over the store's own limit), `Upstream`, `TimedOut`, `Forbidden`.
    async fn fetch(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Fetched, Fault>;

    /// Tells what `fetch` would, without the body.
    ///
    /// # Errors
    /// As for [`Store::fetch`].
    async fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, Fault>;

    /// Writes an object whole or not at all, if `condition` holds when it becomes visible, and tells what was written.
    ///
    /// # Errors
    /// `Unsupported` by a store that only reads, `Invalid` for a key it cannot name, `PreconditionFailed` when the
    /// condition does not hold, `NotFound` when there is no object to match, `Unwritable`, `TooLarge`, `Upstream`,
    /// `TimedOut`.
    async fn put(
        &self,
        key: &ObjectKey,
        meta: ObjectMeta,
        body: Body,
        condition: &PutCondition,
    ) -> Result<ObjectMeta, Fault>;

    /// Writes what can be made again, whole or not at all. It need not be on the disk when this returns: with the power it
    /// may be lost, though not before the names of what was written later, or be cut off.
    ///
    /// # Errors
    /// As for [`Store::put`].
    async fn put_derived(&self, key: &ObjectKey, meta: ObjectMeta, body: Bytes) -> Result<(), Fault> {
        self.put(key, meta, Body::Bytes(body), &PutCondition::None).await.map(drop)
    }

    /// Removes that one object. Removing what does not exist succeeds.
    ///
    /// # Errors
    /// `Unsupported`, `Unwritable`, `Upstream`, `TimedOut`.
    async fn delete(&self, key: &ObjectKey) -> Result<(), Fault>;

    /// Lists one page of entries in the order of their bytes, in memory that the page bounds.
    ///
    /// # Errors
    /// `Unsupported` by a store that cannot tell what it holds, `Upstream`, `TimedOut`.
    async fn list(&self, request: &ListRequest) -> Result<ListPage, Fault>;

    /// A URL at which whoever has it may read the object for so long; `None` from a store that gives none.
    ///
    /// # Errors
    /// `Upstream`, `TimedOut`.
    async fn link(&self, _key: &ObjectKey, _lasting: Duration) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    /// Asks the store whether it is well, cheaply. A client that fails is evicted and built anew on the next ask.
    ///
    /// # Errors
    /// Why it is not.
    async fn check(&self) -> Result<(), Fault>;
}

/// Builds the client of a configured store. A failure is reported to whoever asked and is not remembered.
#[async_trait]
pub trait OpenStore: Send + Sync + 'static {
    /// Builds a fresh client.
    ///
    /// # Errors
    /// `NotFound` never; `Internal` when no such store is configured, `Upstream` when it cannot be reached.
    async fn open(&self, id: &StoreId) -> Result<Arc<dyn Store>, Fault>;
}

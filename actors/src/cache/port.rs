//! What the cache actor needs of a cache level that instances share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::fault::Fault;
use crate::vocab::{Key, Rendition};

/// A cache level below memory. It may fail in any way; the cache actor then answers from elsewhere.
#[async_trait]
pub trait SharedCache: Send + Sync + 'static {
    /// Looks an entry up, together with what is left of its time to live. An entry that cannot be read is `None`.
    ///
    /// # Errors
    /// `Upstream` or `TimedOut` when the level cannot be asked.
    async fn get(&self, key: &Key) -> Result<Option<(Arc<Rendition>, Duration)>, Fault>;

    /// Stores an entry for `time_to_live`.
    ///
    /// # Errors
    /// As [`SharedCache::get`].
    async fn put(&self, key: &Key, entry: &Rendition, time_to_live: Duration) -> Result<(), Fault>;

    /// Forgets an entry.
    ///
    /// # Errors
    /// As [`SharedCache::get`].
    async fn remove(&self, key: &Key) -> Result<(), Fault>;
}

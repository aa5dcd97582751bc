//! What the cache actor needs of a cache level that instances share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::epoch::Mark;
use crate::fault::Fault;
use crate::vocab::{Key, Rendition};

/// A cache level below memory. It may fail in any way; the cache actor then answers from elsewhere.
#[async_trait]
pub trait SharedCache: Send + Sync + 'static {
    /// Looks an entry up, together with what is left of its time to live. An entry that cannot be read is `None`, and so
    /// is one whose mark is no longer that of its original.
    ///
    /// # Errors
    /// `Upstream` or `TimedOut` when the level cannot be asked.
    async fn get(&self, key: &Key) -> Result<Option<(Arc<Rendition>, Duration)>, Fault>;

    /// Stores an entry for `time_to_live`, made under the epoch of that mark. `false` when the level does not keep such
    /// an entry: too large, or not used often enough so far.
    ///
    /// # Errors
    /// As [`SharedCache::get`]; also `Overloaded` when the level is full and `Unsupported` when it takes no writes.
    async fn put(&self, key: &Key, entry: &Rendition, time_to_live: Duration, mark: Mark) -> Result<bool, Fault>;

    /// Forgets an entry.
    ///
    /// # Errors
    /// As [`SharedCache::get`].
    async fn remove(&self, key: &Key) -> Result<(), Fault>;
}

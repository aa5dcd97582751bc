//! Cache.

mod port;
mod settings;
mod stats;

pub use port::*;
pub use settings::CacheSettings;
pub use stats::CacheStats;

use std::sync::Arc;
use std::time::Duration;

use crate::TreeBuilder;
use crate::vocab::{Deadline, Key, Rendition};

/// The way to the cache. Cheap to clone.
#[derive(Clone)]
pub struct CacheHandle {}

impl CacheHandle {
    /// Looks into memory only, on the caller's thread.
    pub fn peek(&self, key: &Key) -> Option<Arc<Rendition>> {
        todo!()
    }
    /// Looks into all levels.
    pub async fn lookup(&self, key: &Key, deadline: Deadline) -> Option<Arc<Rendition>> {
        todo!()
    }
    /// Keeps an entry; never fails, never waits.
    pub fn insert(&self, key: Key, rendition: Arc<Rendition>, time_to_live: Duration) {
        todo!()
    }
    /// Forgets an entry in all levels.
    pub async fn remove(&self, key: &Key, deadline: Deadline) {
        todo!()
    }
}

impl TreeBuilder {
    /// Adds the cache actor.
    pub fn cache(&mut self, settings: CacheSettings, shared: Option<Arc<dyn SharedCache>>) -> CacheHandle {
        todo!()
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::oneshot;

use super::actor::{Cache, Forget, Guarded, Keep, Lookup};
use super::memory::{MemoryCounters, MemoryLevel};
use super::{CacheSettings, CacheStats, SharedCache};
use crate::epoch::{Epoch, Epochs};
use crate::gate::Gate;
use crate::handle::Door;
use crate::stats::Detail;
use crate::supervise::Observe;
use crate::tree::TreeBuilder;
use crate::vocab::{Deadline, Key, Rendition};

/// The way to the cache. Cheap to clone.
///
/// Nothing here fails: a cache that is overloaded, being rebuilt or cut off from its shared level misses.
#[derive(Clone)]
pub struct CacheHandle {
    pub(crate) door: Door<Cache>,
    lookups: Gate,
    writes: Gate,
    levels: Arc<Levels>,
}

/// An entry on its way to the shared level. Dropping it changes nothing.
#[derive(Debug)]
pub struct Sharing(oneshot::Receiver<bool>);

/// Both levels, and what they counted.
pub(super) struct Levels {
    settings: CacheSettings,
    epochs: Epochs,
    memory: ArcSwap<MemoryLevel>,
    pub(super) counters: Arc<MemoryCounters>,
    pub(super) shared: Option<Guarded>,
    shared_hits: AtomicU64,
    misses: AtomicU64,
    shared_dropped: AtomicU64,
}

impl CacheHandle {
    /// Looks into memory only, on the caller's thread and without a message.
    pub fn peek(&self, key: &Key) -> Option<Arc<Rendition>> {
        self.levels.memory().get(key)
    }

    /// Looks into memory and then into the shared level. What is found there is kept in memory for the rest of its
    /// time to live.
    pub async fn lookup(&self, key: &Key, deadline: Deadline) -> Option<Arc<Rendition>> {
        let in_memory = self.peek(key);
        if in_memory.is_some() {
            return in_memory;
        }
        let shared = match self.levels.shared {
            Some(_) => {
                let lookup = Lookup { key: key.clone(), epoch: self.levels.epochs.enter(key) };
                self.door.ask(&self.lookups, lookup, deadline).await.ok().flatten()
            }
            None => None,
        };
        let counter = if shared.is_some() { &self.levels.shared_hits } else { &self.levels.misses };
        counter.fetch_add(1, Relaxed);
        shared
    }

    /// Keeps an entry for `time_to_live`, or until the epoch it was made under ends: in memory at once, in the shared
    /// level behind the caller's back. When too many writes are under way there, this one is dropped and counted. Who
    /// cares may wait for what becomes of it.
    pub fn insert(&self, key: Key, rendition: Arc<Rendition>, time_to_live: Duration, epoch: &Epoch) -> Sharing {
        self.levels.memory().insert(key.clone(), Arc::clone(&rendition), time_to_live, epoch);
        let (told, shared) = oneshot::channel();
        if self.levels.shared.is_some() {
            let keep = Keep { key, rendition, time_to_live, epoch: epoch.clone(), told };
            if self.door.tell(&self.writes, keep, Deadline::within(time_to_live)).is_err() {
                self.levels.shared_dropped.fetch_add(1, Relaxed);
            }
        }
        Sharing(shared)
    }

    /// Forgets an entry in memory at once, and in the shared level by the deadline if it can be reached.
    pub async fn remove(&self, key: &Key, deadline: Deadline) {
        self.levels.memory().remove(key);
        if self.levels.shared.is_some() && self.door.ask(&self.writes, Forget(key.clone()), deadline).await.is_err() {
            self.levels.shared_dropped.fetch_add(1, Relaxed);
        }
    }
}

impl Sharing {
    /// Waits until other instances can find the entry; `false` when the shared level does not have it, for whatever
    /// reason.
    pub async fn is_found_by_others(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

impl Levels {
    fn new(settings: CacheSettings, epochs: Epochs, shared: Option<Arc<dyn SharedCache>>) -> Self {
        let counters = Arc::<MemoryCounters>::default();
        let shared = shared.map(|level| Guarded::new(level, &settings));
        Self {
            memory: ArcSwap::from_pointee(Self::empty(&settings, &counters)),
            settings,
            epochs,
            counters,
            shared,
            shared_hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            shared_dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn memory(&self) -> Guard<Arc<MemoryLevel>> {
        self.memory.load()
    }

    /// Puts an empty level in the place of the one that may be broken.
    pub(super) fn renew_memory(&self) {
        self.memory.store(Arc::new(Self::empty(&self.settings, &self.counters)));
    }

    fn empty(settings: &CacheSettings, counters: &Arc<MemoryCounters>) -> MemoryLevel {
        MemoryLevel::new(settings.memory_bytes, settings.max_entry_bytes, Arc::clone(counters))
    }
}

impl Observe for Levels {
    fn detail(&self) -> Detail {
        let memory = self.memory();
        Detail::Cache(CacheStats {
            entries: memory.len(),
            bytes: memory.bytes(),
            max_bytes: self.settings.memory_bytes,
            memory_hits: self.counters.hits.load(Relaxed),
            shared_hits: self.shared_hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            insertions: self.counters.insertions.load(Relaxed),
            evictions: self.counters.evictions.load(Relaxed),
            expired: self.counters.expired.load(Relaxed),
            originals: self.epochs.live(),
            replaced: self.counters.replaced.load(Relaxed),
            shared_faults: self.shared.as_ref().map_or(0, Guarded::faults),
            shared_dropped: self.shared_dropped.load(Relaxed),
            shared_resting: self.shared.as_ref().is_some_and(Guarded::is_resting),
        })
    }
}

impl TreeBuilder {
    /// Adds the cache actor, with a shared level below memory if there is one.
    pub fn cache(&mut self, settings: CacheSettings, shared: Option<Arc<dyn SharedCache>>) -> CacheHandle {
        let lookups = Gate::counting("lookups", settings.lookups);
        let writes = Gate::counting("cache writes", settings.writes);
        let epochs = self.shared_epochs().clone();
        let levels = Arc::new(Levels::new(settings, epochs.clone(), shared));
        let rebuilt = Arc::clone(&levels);
        let observed = Arc::clone(&levels);
        let door = self.observed_actor("cache", vec![lookups.clone(), writes.clone()], Some(observed), move || {
            Cache::new(Arc::clone(&rebuilt))
        });
        let memory = Arc::downgrade(&levels);
        epochs.on_end(move |key| {
            if let Some(levels) = memory.upgrade() {
                levels.memory().remove_ended(key);
            }
        });
        CacheHandle { door, lookups, writes, levels }
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::epoch::{Entered, Epoch};
use crate::vocab::{Deadline, Key, Rendition};

/// Each shard must take a few of the largest entries, or else large pictures would push each other out.
const LARGEST_ENTRIES_PER_SHARD: u64 = 4;
const MAX_SHARDS: u64 = 16;
/// For the size of the tables only; the bound is by bytes.
const TYPICAL_ENTRY_BYTES: u64 = 64 << 10;

/// The memory level: shared buffers, bounded by bytes, each entry with its time to live.
///
/// The weight of an entry is computed once, at insert; evicting reads the stored number.
pub(super) struct MemoryLevel {
    entries: Cache<Key, Entry, StoredWeight, DefaultHashBuilder, CountEvictions>,
    max_entry_bytes: u64,
    counters: Arc<MemoryCounters>,
}

/// What happened in memory, through all rebuilds of the level.
#[derive(Default)]
pub(super) struct MemoryCounters {
    pub(super) hits: AtomicU64,
    pub(super) insertions: AtomicU64,
    pub(super) evictions: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) replaced: AtomicU64,
}

#[derive(Clone)]
struct Entry {
    rendition: Arc<Rendition>,
    expires: Deadline,
    epoch: Arc<Entered>,
    weight: u64,
}

#[derive(Clone)]
struct StoredWeight;

#[derive(Clone)]
struct CountEvictions(Arc<MemoryCounters>);

impl MemoryLevel {
    pub(super) fn new(max_bytes: u64, max_entry_bytes: u64, counters: Arc<MemoryCounters>) -> Self {
        let largest = max_entry_bytes.min(max_bytes).max(1);
        let shards = (max_bytes / (largest * LARGEST_ENTRIES_PER_SHARD)).clamp(1, MAX_SHARDS);
        let options = OptionsBuilder::new()
            .shards(shards as usize)
            .estimated_items_capacity((max_bytes / TYPICAL_ENTRY_BYTES).max(1) as usize)
            .weight_capacity(max_bytes)
            .build()
            .expect("the weight and the number of entries are both given");
        let lifecycle = CountEvictions(Arc::clone(&counters));
        let entries = Cache::with_options(options, StoredWeight, DefaultHashBuilder::default(), lifecycle);
        Self { entries, max_entry_bytes, counters }
    }

    /// An entry that has outlived neither its time nor its original.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Rendition>> {
        let entry = self.entries.get(key)?;
        if entry.epoch.is_over() {
            self.remove_ended(key);
            return None;
        }
        if !entry.expires.has_passed() {
            self.counters.hits.fetch_add(1, Relaxed);
            return Some(entry.rendition);
        }
        // Only if nobody has put a fresh one there meanwhile.
        if self.entries.remove_if(key, |current| current.expires == entry.expires).is_some() {
            self.counters.expired.fetch_add(1, Relaxed);
        }
        None
    }

    /// Keeps an entry, unless it is too large or has no time to live. An older one of that key goes in any case. One
    /// whose epoch is over is dropped, and leaves what was made under a later one.
    pub(super) fn insert(&self, key: Key, rendition: Arc<Rendition>, time_to_live: Duration, epoch: &Epoch) {
        if epoch.is_over() {
            return;
        }
        if time_to_live.is_zero() {
            self.entries.remove(&key);
            return;
        }
        let weight = rendition.weight();
        if weight > self.max_entry_bytes {
            self.entries.remove(&key);
            self.counters.evictions.fetch_add(1, Relaxed);
            return;
        }
        let expires = Deadline::within(time_to_live);
        let epoch = Arc::new(epoch.enter(&key));
        self.entries.insert(key, Entry { rendition, expires, epoch, weight });
        self.counters.insertions.fetch_add(1, Relaxed);
    }

    pub(super) fn remove(&self, key: &Key) {
        self.entries.remove(key);
    }

    /// Removes an entry whose epoch is over, unless one of a later epoch has taken its place.
    pub(super) fn remove_ended(&self, key: &Key) {
        if self.entries.remove_if(key, |entry| entry.epoch.is_over()).is_some() {
            self.counters.replaced.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.entries.weight()
    }
}

impl Weighter<Key, Entry> for StoredWeight {
    fn weight(&self, _key: &Key, entry: &Entry) -> u64 {
        entry.weight
    }
}

impl Lifecycle<Key, Entry> for CountEvictions {
    type RequestState = Evicted;

    fn on_evict(&self, evicted: &mut Evicted, _key: Key, entry: Entry) {
        self.0.evictions.fetch_add(1, Relaxed);
        evicted.0.push(entry);
    }
}

/// Entries that are dropped after the shard's lock is released.
#[derive(Default)]
struct Evicted(Vec<Entry>);

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::vocab::weighings;

    fn result(number: u64) -> Arc<Rendition> {
        Arc::new(Rendition {
            body: Bytes::from_static(&[7; 1_000]).slice(..(number % 1_000) as usize),
            content_type: String::new(),
            etag: crate::vocab::EntityTag::new("v"),
            last_modified: std::time::UNIX_EPOCH,
            width: None,
            height: None,
        })
    }

    /// 100,000 operations on a memory that is always full, so that every insert evicts: the size of an entry is asked for
    /// once, when it comes in, and never when room is made.
    ///
    /// Red when evicting weighs again: `entry.rendition.weight()` in the weigher `StoredWeight`.
    #[test]
    fn fault_08_an_entry_is_weighed_once_when_it_comes_in() {
        const OPERATIONS: u64 = 100_000;
        let counters = Arc::<MemoryCounters>::default();
        let level = MemoryLevel::new(100_000, 2_000, Arc::clone(&counters));
        let before = weighings::so_far();
        for number in 0..OPERATIONS / 2 {
            level.insert(
                Key::new(format!("{}", number % 5_000)),
                result(number),
                Duration::from_secs(3_600),
                &Epoch::endless(),
            );
            level.get(&Key::new(format!("{}", number / 2 % 5_000)));
        }
        assert!(counters.evictions.load(Relaxed) > OPERATIONS / 4, "room was made again and again");
        assert_eq!(weighings::so_far() - before, OPERATIONS / 2);
    }
}

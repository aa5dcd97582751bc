use std::time::Duration;

use crate::breaker::BreakerSettings;

/// Bounds and times of the cache actor.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// Bytes that the memory level may hold, each entry weighed by [`Rendition::weight`](crate::Rendition::weight).
    /// Default 256 MiB.
    pub memory_bytes: u64,
    /// Larger entries are not kept in memory. Default 16 MiB.
    pub max_entry_bytes: u64,
    /// Lookups in the shared level at once; beyond them a lookup is a miss. Default 256.
    pub lookups: usize,
    /// Writes to the shared level at once, queued or running; beyond them a write is dropped. Default 128.
    pub writes: usize,
    /// How long one operation of the shared level may take. Default 50 ms.
    pub shared_timeout: Duration,
    /// When a shared level that fails is given a rest.
    pub breaker: BreakerSettings,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            max_entry_bytes: 16 << 20,
            lookups: 256,
            writes: 128,
            shared_timeout: Duration::from_millis(50),
            breaker: BreakerSettings::default(),
        }
    }
}

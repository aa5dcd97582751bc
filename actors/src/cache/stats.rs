use serde::Serialize;

/// What the cache holds and how it did.
#[derive(Clone, Debug, Serialize)]
pub struct CacheStats {
    /// Entries in memory.
    pub entries: usize,
    /// Bytes in memory.
    pub bytes: u64,
    /// Bytes that memory may hold.
    pub max_bytes: u64,
    /// Asks answered from memory.
    pub memory_hits: u64,
    /// Asks answered from the shared level.
    pub shared_hits: u64,
    /// Lookups that no level could answer.
    pub misses: u64,
    /// Entries taken into memory.
    pub insertions: u64,
    /// Entries that left memory to make room, or never fitted.
    pub evictions: u64,
    /// Entries found in memory after their time to live.
    pub expired: u64,
    /// Originals that something in memory or on its way is derived from.
    pub originals: usize,
    /// Entries that left memory because their original was replaced.
    pub replaced: u64,
    /// Operations of the shared level that failed or took too long.
    pub shared_faults: u64,
    /// Writes to the shared level that were dropped because too many were under way.
    pub shared_dropped: u64,
    /// Whether a shared level is configured and given a rest.
    pub shared_resting: bool,
}

use std::time::Duration;

/// The bounds of every actor: sections `[actors.…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorsConfig {
    /// `[actors.storage]`
    pub storage: StorageActorConfig,
    /// `[actors.cache]`
    pub cache: CacheActorConfig,
    /// `[actors.lock]`
    pub lock: LockActorConfig,
    /// `[actors.transform]`
    pub transform: TransformActorConfig,
    /// `[actors.store_back]`
    pub store_back: StoreBackConfig,
}

/// Bounds of the storage actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageActorConfig {
    /// Reads of whole objects into memory at once.
    pub reads: usize,
    /// Objects on their way to clients at once.
    pub streams: usize,
    /// A client that pauses for this long in the middle of an object loses it.
    pub reader_patience: Duration,
    /// So does one that takes fewer bytes a second than this, averaged over `reader_patience`.
    pub reader_min_rate: u64,
    /// Writes of users at once.
    pub writes: usize,
    /// Writes of finished results at once.
    pub write_backs: usize,
    /// Operations on files at once, of each local storage. Each occupies a thread.
    pub file_operations: usize,
    /// Bytes of bodies that are read whole, at once.
    pub bytes_in_flight: u64,
    /// Store clients alive.
    pub clients: usize,
    /// A client unused for this long is closed.
    pub client_idle_timeout: Duration,
    /// How often clients are asked whether they are well.
    pub health_interval: Duration,
    /// Limit of one such question.
    pub health_timeout: Duration,
    /// Failures in a row after which a store is left alone for a while.
    pub breaker_failures: u32,
    /// How long it is left alone.
    pub breaker_cooldown: Duration,
}

/// Bounds of the cache actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheActorConfig {
    /// Operations on the level that instances share at once; more are answered "miss".
    pub shared_operations: usize,
    /// Limit of one operation on the shared level.
    pub shared_timeout: Duration,
    /// Failures in a row after which the shared level is left alone for a while.
    pub breaker_failures: u32,
    /// How long it is left alone.
    pub breaker_cooldown: Duration,
}

/// Bounds of the lock actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockActorConfig {
    /// Flights at once: distinct results being made or fetched.
    pub flights: usize,
    /// Requests that wait for one of them.
    pub waiters_per_key: usize,
    /// Requests that are about to join a flight.
    pub joins: usize,
    /// How long a lease that instances share lives unless it is renewed, which happens at a third of it.
    pub lease_time_to_live: Duration,
    /// How long a flight waits for another instance before it looks again.
    pub lease_poll: Duration,
    /// Limit of one operation on the lease.
    pub lease_timeout: Duration,
    /// Failures in a row after which the lease is left alone for a while.
    pub breaker_failures: u32,
    /// How long it is left alone.
    pub breaker_cooldown: Duration,
}

/// Bounds of the transform actor. How many renders run is `server.concurrent_image_processing`, the memory they may
/// take is `limits.render_memory_bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformActorConfig {
    /// Renders that wait for a free slot. Already resolved: `0` in the file means 64 for each that runs.
    pub queued: usize,
    /// Places beyond those for buckets that have next to none. Already resolved: `0` in the file means a quarter of
    /// `queued`, at least one.
    pub reserved: usize,
    /// From how much work on a render is large, in pixels that could be read in that time; one that needs more than half of
    /// the memory is large, too.
    pub large_work: u64,
    /// How long a request whose render panicked is refused.
    pub quarantine: Duration,
    /// Such requests remembered at most.
    pub quarantined_keys: usize,
    /// A render that runs on for this long after its deadline counts as stuck.
    pub stuck_after: Duration,
    /// Stuck renders at which the service is not ready. Already resolved: `0` in the file means half of those that may
    /// run, at least one.
    pub stuck: usize,
}

/// Bounds of the queue of finished results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreBackConfig {
    /// Results in the queue; the oldest is dropped for one more.
    pub items: usize,
    /// Results in the queue, in bytes; the oldest are dropped for more.
    pub bytes: u64,
    /// Limit of one write.
    pub write_timeout: Duration,
    /// Limit for writing what is queued when the service stops.
    pub flush_timeout: Duration,
}

/// How failed actors are rebuilt: section `[supervision]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisionConfig {
    /// Wait before the first rebuild.
    pub backoff_min: Duration,
    /// Longest wait before a rebuild.
    pub backoff_max: Duration,
    /// Rebuilds of one actor within `restart_window`, beyond which the service gives up.
    pub restarts: u32,
    /// The window of the budget.
    pub restart_window: Duration,
    /// Limit for one actor to stop.
    pub stop_timeout: Duration,
}

use std::time::Duration;

use crate::breaker::BreakerSettings;

/// Bounds and times of the storage actor.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// Store clients kept at once; the least recently used one is closed to make room. Default 64.
    pub max_clients: usize,
    /// A client that nobody asked for this long is closed. Default 10 min.
    pub client_idle: Duration,
    /// How often clients are checked for health and idleness. Default 30 s.
    pub health_interval: Duration,
    /// How long one health check may take. Default 5 s.
    pub health_timeout: Duration,
    /// Reads of this service's own at once, from the ask until the body is in memory. Default 256.
    pub reads: usize,
    /// Objects on their way to clients at once, from the ask until the body has been read or dropped. They have a bound of
    /// their own, so that clients that read slowly never keep renders from their originals. Default 256.
    pub streams: usize,
    /// A body whose reader pauses for so long between two chunks is closed. Default 60 s.
    pub reader_patience: Duration,
    /// A body is closed, too, when its reader takes fewer bytes a second than this, averaged over `reader_patience` of its
    /// own time. 0 asks for none. Default 1 KiB.
    pub reader_min_rate: u64,
    /// Writes and removals asked by users at once, and besides as many notes of them. Default 64.
    pub writes: usize,
    /// Writes of finished results at once. Default 16.
    pub write_backs: usize,
    /// Bytes of bodies held whole in memory at once. Default 512 MiB.
    pub buffered_bytes: u64,
    /// When a store that fails is given a rest.
    pub breaker: BreakerSettings,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            max_clients: 64,
            client_idle: Duration::from_secs(600),
            health_interval: Duration::from_secs(30),
            health_timeout: Duration::from_secs(5),
            reads: 256,
            streams: 256,
            reader_patience: Duration::from_secs(60),
            reader_min_rate: 1 << 10,
            writes: 64,
            write_backs: 16,
            buffered_bytes: 512 << 20,
            breaker: BreakerSettings::default(),
        }
    }
}

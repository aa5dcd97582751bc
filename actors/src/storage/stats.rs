use serde::Serialize;

/// The store clients that the storage actor keeps.
#[derive(Clone, Debug, Serialize)]
pub struct StorageStats {
    /// Clients kept at once, at most.
    pub max_clients: usize,
    /// Clients built since the start.
    pub opened: u64,
    /// Clients closed to make room.
    pub evicted: u64,
    /// Clients closed because nobody asked for them.
    pub idle_closed: u64,
    /// Clients closed because they failed their health check.
    pub unhealthy_closed: u64,
    /// The clients, most recently used first.
    pub clients: Vec<ClientStats>,
}

/// One store client.
#[derive(Clone, Debug, Serialize)]
pub struct ClientStats {
    /// The store, as `bucket/storage`.
    pub store: String,
    /// Whether a client is built; `false` before its first use and after it failed its health check.
    pub open: bool,
    /// Whether the last answer was one, rather than an outage.
    pub healthy: bool,
    /// Whether the store is given a rest.
    pub resting: bool,
    /// Seconds since it came into the list.
    pub age_seconds: u64,
    /// Seconds since it was last asked.
    pub idle_seconds: u64,
}

/// Which stores answer, as far as the last asks and health checks tell.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reachability {
    /// Stores whose last answer was an outage.
    pub failing: Vec<String>,
    /// Stores that answered.
    pub answering: usize,
}

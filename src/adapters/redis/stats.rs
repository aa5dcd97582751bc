use serde::Serialize;

/// The connections to one Redis, as `/stats` shows them.
#[derive(Clone, Debug, Serialize)]
pub struct RedisStats {
    /// Who uses it: `cache` or `lock`.
    pub user: &'static str,
    /// Connections open or being opened.
    pub connections: usize,
    /// Those of them that nobody uses at the moment.
    pub idle: usize,
    /// The most that may be open.
    pub max_connections: usize,
    /// Operations that wait for a connection.
    pub waiting: usize,
    /// Connections opened so far.
    pub opened: u64,
    /// Operations begun so far.
    pub operations: u64,
    /// Operations that failed. Those that were given up by their limit of time count where that limit is: as faults of
    /// the cache or lock actor.
    pub failures: u64,
    /// The connection that listens for announcements of other instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announcements: Option<AnnouncementStats>,
}

/// The one connection that listens for all who wait.
#[derive(Clone, Debug, Serialize)]
pub struct AnnouncementStats {
    /// Whether it is open.
    pub connected: bool,
    /// How often it was opened.
    pub connects: u64,
    /// Channels that somebody waits on.
    pub channels: usize,
    /// Those who wait on them.
    pub waiters: usize,
    /// Announcements heard.
    pub heard: u64,
}

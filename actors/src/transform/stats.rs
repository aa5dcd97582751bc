use serde::Serialize;

/// The renders under way.
#[derive(Clone, Debug, Serialize)]
pub struct TransformStats {
    /// Renders on a CPU thread.
    pub running: u64,
    /// The large ones among them.
    pub large_running: u64,
    /// Renders waiting for their turn.
    pub queued: u64,
    /// Estimated bytes of the running ones.
    pub memory_bytes: u64,
    /// Estimated bytes that may run at once.
    pub max_memory_bytes: u64,
    /// Keys refused because their render panicked.
    pub quarantined: usize,
    /// Renders that run on long after their deadline.
    pub stuck: usize,
}

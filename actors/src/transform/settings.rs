use std::time::Duration;

/// Bounds and times of the transform actor.
#[derive(Clone, Debug)]
pub struct TransformSettings {
    /// Renders running at once. Default: the number of cores.
    pub running: usize,
    /// Renders waiting for their turn. Default: twice the number of cores.
    pub queued: usize,
    /// More renders waiting once those are, each owner having fewer than this. Default: a quarter of `queued`, at least
    /// one.
    pub reserved: usize,
    /// A render of this much [`Estimate::work`](super::Estimate::work) is large, and so is one that needs more than half of
    /// `memory_bytes`. Large ones have half of the places, of the reserve and of the memory. Default 100,000,000.
    pub large_work: u64,
    /// Estimated bytes of all running renders together. One that needs more is refused; a large one that needs more than
    /// half runs while no other large one does. Default 1 GiB.
    pub memory_bytes: u64,
    /// How long a key whose render panicked is refused. Default 60 s.
    pub quarantine: Duration,
    /// Keys in quarantine at once; the oldest is let go to make room. Default 1,024.
    pub quarantine_keys: usize,
    /// A render that runs on for this long after its deadline is reported as stuck. Default 5 s.
    pub stuck_after: Duration,
    /// With this many stuck renders the service is no longer ready. Default: half of `running`, at least one.
    pub max_stuck: usize,
}

impl TransformSettings {
    /// The defaults for a machine of `cores` cores.
    pub fn for_cores(cores: usize) -> Self {
        let cores = cores.max(1);
        Self {
            running: cores,
            queued: 2 * cores,
            reserved: (cores / 2).max(1),
            large_work: 100_000_000,
            memory_bytes: 1 << 30,
            quarantine: Duration::from_secs(60),
            quarantine_keys: 1024,
            stuck_after: Duration::from_secs(5),
            max_stuck: (cores / 2).max(1),
        }
    }
}

impl Default for TransformSettings {
    fn default() -> Self {
        Self::for_cores(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

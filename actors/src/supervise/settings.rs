use std::time::Duration;

/// How failed actors are rebuilt.
#[derive(Clone, Debug)]
pub struct SupervisionSettings {
    /// Wait before the first rebuild; doubled with each failure in a row. Default 50 ms.
    pub backoff_first: Duration,
    /// Longest wait before a rebuild. Default 5 s.
    pub backoff_max: Duration,
    /// This many charged restarts within [`budget_period`](Self::budget_period) are borne; one more and the actor has
    /// given up. Default 5.
    pub budget: usize,
    /// The period of the restart budget. Default 30 s.
    pub budget_period: Duration,
    /// Seed of the backoff's jitter; taken from the system when `None`. Tests give one.
    pub jitter_seed: Option<u64>,
}

impl Default for SupervisionSettings {
    fn default() -> Self {
        Self {
            backoff_first: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            budget: 5,
            budget_period: Duration::from_secs(30),
            jitter_seed: None,
        }
    }
}

use std::time::Duration;

use crate::breaker::BreakerSettings;

/// How the marks that instances share are asked for.
#[derive(Clone, Copy, Debug)]
pub struct EpochSettings {
    /// How long one question may take. Default 50 ms.
    pub timeout: Duration,
    /// When a shared store that fails is given a rest.
    pub breaker: BreakerSettings,
}

impl Default for EpochSettings {
    fn default() -> Self {
        Self { timeout: Duration::from_millis(50), breaker: BreakerSettings::default() }
    }
}

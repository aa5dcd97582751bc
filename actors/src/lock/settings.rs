use std::time::Duration;

use crate::breaker::BreakerSettings;

/// Bounds and times of the lock actor and its flights.
#[derive(Clone, Debug)]
pub struct LockSettings {
    /// Flights at once. Default 1,024.
    pub max_flights: usize,
    /// Waiters on one flight. Default 10,000.
    pub max_waiters_per_key: usize,
    /// Joins that may stand in the mailbox at once. Default 10,000.
    pub joins: usize,
    /// How long a flight may take; independent of the deadlines of those who wait. Default 60 s.
    pub flight_timeout: Duration,
    /// Time to live of the lease that instances share; renewed at a third of it. Default 6 s.
    pub lease_time_to_live: Duration,
    /// How long a flight waits for the holder of the lease before it looks and claims again. Default
    /// 500 ms.
    pub lease_poll: Duration,
    /// How long one operation on the lease may take. Default 100 ms.
    pub lease_timeout: Duration,
    /// When a lease that fails is given a rest.
    pub breaker: BreakerSettings,
}

impl Default for LockSettings {
    fn default() -> Self {
        Self {
            max_flights: 1024,
            max_waiters_per_key: 10_000,
            joins: 10_000,
            flight_timeout: Duration::from_secs(60),
            lease_time_to_live: Duration::from_secs(6),
            lease_poll: Duration::from_millis(500),
            lease_timeout: Duration::from_millis(100),
            breaker: BreakerSettings::default(),
        }
    }
}

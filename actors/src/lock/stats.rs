use serde::Serialize;

/// The flights under way.
#[derive(Clone, Debug, Serialize)]
pub struct LockStats {
    /// Flights under way.
    pub live: usize,
    /// Waiters on all of them.
    pub waiters: usize,
    /// Flights started.
    pub started: u64,
    /// Joins that found a flight under way.
    pub joined: u64,
    /// Flights ended because the last waiter left.
    pub abandoned: u64,
    /// Flights answered by what another instance made.
    pub answered_elsewhere: u64,
    /// Flights whose lease was lost to another instance, and whose result was therefore not kept.
    pub leases_lost: u64,
    /// Operations on the lease that failed or took too long.
    pub lease_faults: u64,
    /// Whether a lease is configured and given a rest.
    pub lease_resting: bool,
}

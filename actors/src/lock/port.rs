//! What the lock actor needs to join identical requests of several instances.

use std::time::Duration;

use async_trait::async_trait;

use crate::fault::Fault;
use crate::vocab::Key;

/// A lease on a key, shared by all instances of one installation.
///
/// It only saves work: renders are deterministic and writes idempotent, so whenever the port fails the flight goes on
/// alone.
#[async_trait]
pub trait Lease: Send + Sync + 'static {
    /// Claims `key` for `time_to_live`, or learns that another instance holds it.
    ///
    /// # Errors
    /// `Upstream` or `TimedOut` when the shared store cannot be asked; the flight then goes on locally.
    async fn claim(&self, key: &Key, time_to_live: Duration) -> Result<Claim, Fault>;

    /// Prolongs a lease by `time_to_live` from now. `false` when it was lost meanwhile.
    ///
    /// # Errors
    /// As [`Lease::claim`].
    async fn renew(&self, key: &Key, token: &LeaseToken, time_to_live: Duration) -> Result<bool, Fault>;

    /// Gives the lease back if `token` still holds it, and tells everyone who waits for `key`.
    ///
    /// # Errors
    /// As [`Lease::claim`].
    async fn release(&self, key: &Key, token: LeaseToken) -> Result<(), Fault>;

    /// Returns when the holder of `key` may have finished. Spurious returns are allowed; the flight looks and claims
    /// again. The caller bounds the wait; dropping the future ends it without a trace.
    async fn finished(&self, key: &Key);
}

/// The random text by which a holder is told from its successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseToken(pub String);

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This instance does the work.
    Granted(LeaseToken),
    /// Another instance is at it.
    HeldElsewhere,
}

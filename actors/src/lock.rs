//! The lock actor: identical requests become one flight, within this instance and across those that share a lease.
//!
//! - **Owns**: the roll of flights by key, and the lease that instances share.
//! - **Accepts**: `Join`, answered in place with a seat on the flight that is under way, or on a new one.
//! - **Bounds**: flights at once, waiters on each, joins in the mailbox, time of a flight.
//! - **On failure**: flights are tasks of their own, so those that wait are answered although the actor is rebuilt, and
//!   the rebuilt one finds them on the roll. A flight that panics tells everyone, and each joins once more.
//! - **Not its job**: what a flight does. A lease that fails is ignored: it only saves work.

mod actor;
mod errand;
mod flight;
mod handle;
mod leased;
mod port;
mod roll;
mod settings;
mod stats;

pub use errand::{Errand, FlightContext};
pub use handle::LockHandle;
pub use port::*;
pub use settings::LockSettings;
pub use stats::LockStats;

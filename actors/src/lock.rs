//! The lock actor: identical requests become one flight, within this instance and across those that share a lease.
//!
//! - **Owns**: the roll of flights by key, and the lease that instances share.
//! - **Accepts**: `Join`, answered in place with a seat on the flight that is under way, or on a new one.
//! - **Bounds**: flights at once, waiters on each, joins in the mailbox, time of a flight.
//! - **On failure**: flights are tasks of their own, so those that wait are answered although the actor is rebuilt, and
//!   the rebuilt one finds them on the roll. A flight that panics tells everyone, and each joins once more.
//! - **Not its job**: what a flight does. A lease that fails is ignored: it only saves work.
//!
//! **What holds across instances.** While the lease works, one instance at a time makes a result, and it gives the lease
//! back only when the others can find what it made. An instance that was frozen or cut off for longer than its lease
//! lived answers those who wait for it and publishes nothing. The lease only saves work: a shared store that forgets
//! leases that are still running, and flights that go on alone because the lease cannot be asked, cost a second run.
//!
//! **What ends a flight's use.** A flight is under the [epoch](crate::epoch) of its original. When that has ended, the
//! flight answers those who wait and takes nobody on; whoever asks later gets a flight of his own, under another lease.

mod actor;
mod errand;
mod flight;
mod handle;
mod leased;
mod port;
mod roll;
mod settings;
mod stats;
mod tenure;

pub use errand::{Errand, FlightContext};
pub use handle::LockHandle;
pub use port::*;
pub use settings::LockSettings;
pub use stats::LockStats;

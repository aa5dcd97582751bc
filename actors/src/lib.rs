//! The actors of Mortar and the small runtime they stand on: admission, cancellation, supervision.
//!
//! # The tree
//!
//! ```text
//! Tree                      starts in this order, stops in reverse, tells who has failed for good
//! ├── storage               store clients: bounded, idle time-out, health, breaker
//! ├── cache                 memory level by bytes; shared level behind a time-out and a breaker
//! ├── lock                  key -> flight; the lease that instances share
//! │   └── flight …          a task per key: one run for everyone who asks
//! ├── transform             running and queued renders, decoded bytes, quarantine
//! │   └── render …          on CPU threads
//! └── store-back (task)     finished results on their way to a store
//! ```
//!
//! An actor is a plain struct, its [`State`], built by a factory and hosted by a private actix actor. It serves messages
//! ([`Ask`], [`Serve`]) that come through its [`Door`]. Everything that must outlive a rebuild (gates, counters, the
//! roll of flights, the quarantine, the queue of results) stands outside the state.
//!
//! What a replaced original makes worthless is told by the [`epoch`] that it was made under, which the cache, the flights
//! and store-back look at.
//!
//! # Runtime semantics
//!
//! Each line is a promise with a test of about that name in `tests/`.
//!
//! **Admission** (`overload`)
//! - An ask takes a permit from a [`Gate`] at once, or is refused at once with `Overloaded` and the time to wait.
//! - A permit covers queued and running work, and a streamed body until it has been read or dropped.
//! - The mailbox is larger than all gates together; the bound is the gate, not the mailbox.
//!
//! **Cancellation** (`cancellation`)
//! - A requester that leaves, or whose deadline passes, frees a queued payload at once, even when the actor is stuck;
//!   the empty envelope keeps its permit until the actor gets to it, so envelopes are bounded as well.
//! - A message that nobody waits for is never begun; it is counted as cancelled.
//! - [`Work::Later`] is dropped when its requester leaves, [`Work::Kept`] is not.
//! - CPU work learns it from its [`StopFlag`] between two stages and keeps its permits until then.
//!
//! **Failure** (`supervision`)
//! - A panic in a handler or its work is answered with `Panicked` and counted; the state is dropped and built anew.
//! - Work under way survives the rebuild; a message that was not begun is delivered once more to the rebuilt actor.
//! - Rebuilds wait 50 ms to 5 s with jitter. A sixth failure within 30 s is the last: the tree is not ready, asks are
//!   answered with `Restarting`, and [`Tree::failed`] resolves.
//! - A rebuild that an input caused is counted and not charged, and its wait does not grow.
//!
//! **Replaced originals** (`epochs`, `store_back`)
//! - When an epoch has ended, nothing made under it is found in memory, and its memory is given back.
//! - Nobody who asks later joins a flight of before, and what that flight makes is kept nowhere.
//! - Closing an original waits for writes that have begun; what is written later sees that it is old.
//!
//! **Order** (`supervision`)
//! - Children start one after the other and stop in reverse; a stopping child refuses new asks and has its time to end
//!   the work under way.
//! - Messages to one incarnation are begun in the order of their asks; nothing else is ordered.
//!
//! **In turn** (`transform`)
//! - Owners take turns at rendering; one that fills the queue, of all renders or of large ones, is refused, and the others
//!   are not.
//! - A small render waits for large ones neither for a place nor for memory, but for one that needs nearly all of it.
//!
//! **Whatever the order** (`schedules`)
//! - Whoever stays is answered by his deadline, rightly or with a fault; nothing runs twice at once; nothing is left.
//!
//! **Time**
//! - Only tokio's clock is read, so tests run paused. One [`Deadline`] is carried through all hops.

mod breaker;
pub mod cache;
pub mod epoch;
#[cfg(feature = "testing")]
pub mod fakes;
mod fault;
mod fence;
mod gate;
mod handle;
mod host;
pub mod lock;
mod meter;
mod stats;
pub mod storage;
pub mod store_back;
mod supervise;
mod ticket;
pub mod transform;
mod tree;
mod vocab;
mod wait;

pub use breaker::BreakerSettings;
pub use fault::{Fault, FaultKind, Retry, Side};
pub use gate::{Gate, GateStats, Permit};
pub use handle::{Ask, Door};
pub use host::{Pending, Serve, State, Work};
pub use meter::{Counts, Percentiles};
pub use stats::{ActorStats, Detail, Readiness, TreeStats};
pub use supervise::{ChildState, SupervisionSettings};
pub use ticket::{Hold, Incident, Ticket};
pub use tree::{Tree, TreeBuilder};
pub use vocab::{
    Body, ByteRange, ByteStream, ContentRange, Deadline, EntityTag, Fetched, Key, ObjectKey, ObjectMeta, OriginalId,
    Originals, Owner, Rendition, StopFlag, StoreId,
};
pub use wait::patiently;

//! The actors of Mortar and the small runtime they stand on.

mod breaker;
pub mod cache;
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
    Body, ByteRange, ByteStream, ContentRange, Deadline, EntityTag, Fetched, Key, ObjectKey, ObjectMeta, Rendition,
    StopFlag, StoreId,
};

//! The actors of Mortar and the small runtime they stand on.

pub mod cache;
mod fault;
pub mod lock;
pub mod storage;
pub mod transform;
mod vocab;

pub use fault::{Fault, FaultKind, Retry, Side};
pub use vocab::{
    Body, ByteRange, ByteStream, ContentRange, Deadline, EntityTag, Fetched, Key, ObjectKey, ObjectMeta, Rendition,
    StopFlag, StoreId,
};

//! The cache actor: finished results in memory, and below it a level that instances may share.
//!
//! - **Owns**: the memory level, the way to the shared level, and the breaker between them.
//! - **Accepts**: lookups and removals that concern the shared level, and writes to it. Memory is read and filled on the
//!   caller's thread, for a hit must cost less than a message.
//! - **Bounds**: bytes in memory, bytes of one entry, lookups and writes of the shared level, time of each of them.
//! - **On failure**: a fault of the shared level is a counted miss; after a panic memory is rebuilt empty.
//! - **Not its job**: failing a request. Whatever happens here only makes the answer slower.

mod actor;
mod handle;
mod memory;
mod port;
mod settings;
mod stats;

pub use handle::{CacheHandle, Sharing};
pub use port::*;
pub use settings::CacheSettings;
pub use stats::CacheStats;

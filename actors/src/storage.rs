//! The storage actor: every byte that comes from or goes to a store passes here.
//!
//! - **Owns**: the store clients, in a least-recently-used list with idle time-out, health checks and a breaker each.
//! - **Accepts**: the right to call a store, asked by [`StorageHandle`]'s methods.
//! - **Bounds**: reads, bodies streamed to clients (until read, dropped, or left lying), user writes, their notes,
//!   write-backs, bytes buffered, clients kept.
//! - **On failure**: a call that fails or panics fails alone; after a panic the actor is rebuilt with no clients open;
//!   a client that fails its health check is closed and built anew on the next ask.
//! - **Not its job**: retrying, caching, or turning an outage into a miss.

mod actor;
mod attended;
mod client;
mod condition;
mod handle;
mod listing;
mod port;
mod roster;
mod settings;
mod stats;

pub use condition::PutCondition;
pub use handle::{Loaded, StorageHandle};
pub use listing::{ListPage, ListRequest, Listed, PageDraft, Place};
pub use port::*;
pub use settings::StorageSettings;
pub use stats::{ClientStats, Reachability, StorageStats};

//! Redis behind the ports of the cache and the lock: the level of results that instances share, and the lease by which
//! they agree who works.
//!
//! Neither is ever needed for an answer. Every operation is bounded in time by its actor and in number by the pool, and
//! whatever fails here costs a miss or a render of our own.

mod announcements;
mod cache;
mod connect;
mod faults;
mod frame;
mod lease;
mod server;
mod stats;
mod waiters;

pub use announcements::Announcements;
pub use cache::{RedisCache, RedisCacheSettings};
pub use lease::RedisLease;
pub use server::RedisServer;
pub use stats::{AnnouncementStats, RedisStats};

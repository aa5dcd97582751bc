//! Redis behind the ports of the cache and the lock: the level of results that instances share, the lease by which they
//! agree who works, and the marks by which they know what is of an original that was replaced.
//!
//! Neither is ever needed for an answer. Every operation is bounded in time by its actor and in number by the pool, and
//! whatever fails here costs a miss or a render of our own.

mod announcements;
mod cache;
mod connect;
mod epochs;
mod faults;
mod frame;
mod lease;
mod marks;
mod replaced;
mod server;
mod stats;
mod waiters;

pub use announcements::Announcements;
pub use cache::{RedisCache, RedisCacheSettings};
pub use epochs::RedisEpochs;
pub use lease::RedisLease;
pub use server::RedisServer;
pub use stats::{AnnouncementStats, RedisStats};

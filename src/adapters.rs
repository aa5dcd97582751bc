//! The outside world behind the ports: stores, shared caches, and the image engine.

mod http_client;
mod http_origin;
mod local;
mod measured;
mod noop;
mod open;
mod prefixed;
pub mod raster;
mod redis;
mod s3;

pub use http_client::GuardedClient;
pub use http_origin::HttpOrigin;
pub use local::{FileThreads, Layout, LocalStore};
pub use noop::NoopStore;
pub use open::Stores;
pub use prefixed::PrefixedStore;
pub use redis::{
    AnnouncementStats, Announcements, RedisCache, RedisCacheSettings, RedisEpochs, RedisLease, RedisServer, RedisStats,
};
pub use s3::S3Store;

//! What this instance shares with others: the Redis of the cache and that of the lock, as far as there are any.

use std::sync::Arc;

use mortar_actors::Fault;
use mortar_actors::cache::SharedCache;
use mortar_actors::lock::Lease;

use super::StartError;
use crate::adapters::{Announcements, RedisCache, RedisCacheSettings, RedisLease, RedisServer, RedisStats};
use crate::config::{CacheKind, Config, LockKind};

/// The connections to what instances share.
pub struct Instances {
    cache: Option<Arc<RedisServer>>,
    lock: Option<(Arc<RedisServer>, Arc<Announcements>)>,
    settings: RedisCacheSettings,
}

impl Instances {
    /// Takes the configuration; nothing is connected before it is needed.
    pub(super) fn new(config: &Config) -> Result<Self, StartError> {
        let at = |section| move |fault: Fault| StartError::Redis { section, fault };
        let cache = match &config.server.cache.kind {
            CacheKind::Memory => None,
            CacheKind::Redis(redis) => Some(Arc::new(RedisServer::new(redis).map_err(at("server.cache"))?)),
        };
        let lock = match &config.server.lock {
            LockKind::Memory => None,
            LockKind::Redis(redis) => {
                let server = RedisServer::new(redis).map_err(at("server.lock"))?;
                let announcements = Announcements::new(redis).map_err(at("server.lock"))?;
                Some((Arc::new(server), Arc::new(announcements)))
            }
        };
        let settings = RedisCacheSettings {
            max_entry_bytes: config.server.cache.max_cache_item_size,
            max_time_to_live: config.server.cache.max_time_to_live,
            min_use_count: config.server.cache.min_use_count,
        };
        Ok(Self { cache, lock, settings })
    }

    /// The level below the memory of the cache.
    pub(super) fn cache(&self) -> Option<Arc<dyn SharedCache>> {
        let server = Arc::clone(self.cache.as_ref()?);
        Some(Arc::new(RedisCache::new(server, self.settings)))
    }

    /// The lease that flights hold.
    pub(super) fn lease(&self) -> Option<Arc<dyn Lease>> {
        let (server, announcements) = self.lock.as_ref()?;
        Some(Arc::new(RedisLease::new(Arc::clone(server), Arc::clone(announcements))))
    }

    /// What has to be listened to for the lease.
    pub(super) fn announcements(&self) -> Option<Arc<Announcements>> {
        self.lock.as_ref().map(|(_, announcements)| Arc::clone(announcements))
    }

    /// All connections at this moment.
    pub fn stats(&self) -> Vec<RedisStats> {
        let cache = self.cache.as_ref().map(|server| server.stats("cache"));
        let lock = self.lock.as_ref().map(|(server, announcements)| RedisStats {
            announcements: Some(announcements.stats()),
            ..server.stats("lock")
        });
        cache.into_iter().chain(lock).collect()
    }
}

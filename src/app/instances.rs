//! What this instance shares with others: the Redis of the cache and that of the lock, as far as there are any.

use std::sync::Arc;

use mortar_actors::Fault;
use mortar_actors::cache::SharedCache;
use mortar_actors::epoch::{Epochs, SharedEpochs};
use mortar_actors::lock::Lease;

use super::StartError;
use crate::adapters::{
    Announcements, RedisCache, RedisCacheSettings, RedisEpochs, RedisLease, RedisServer, RedisStats,
};
use crate::config::{CacheKind, Config, LockKind, RedisConfig};

/// The connections to what instances share.
pub struct Instances {
    cache: Option<Arc<RedisServer>>,
    lock: Option<Arc<RedisServer>>,
    /// Heard on the Redis of the lock, or else on that of the cache.
    announcements: Option<Arc<Announcements>>,
    settings: RedisCacheSettings,
    epochs: Epochs,
}

impl Instances {
    /// Takes the configuration; nothing is connected before it is needed.
    pub(super) fn new(config: &Config) -> Result<Self, StartError> {
        let at = |section| move |fault: Fault| StartError::Redis { section, fault };
        let cached = match &config.server.cache.kind {
            CacheKind::Memory => None,
            CacheKind::Redis(redis) => Some((redis, at("server.cache"))),
        };
        let locked = match &config.server.lock {
            LockKind::Memory => None,
            LockKind::Redis(redis) => Some((redis, at("server.lock"))),
        };
        let server = |(redis, at): (&RedisConfig, _)| RedisServer::new(redis).map(Arc::new).map_err(at);
        let listener = |(redis, at): (&RedisConfig, _)| Announcements::new(redis).map(Arc::new).map_err(at);
        let (cache, lock) = (cached.map(server).transpose()?, locked.map(server).transpose()?);
        let announcements = locked.or(cached).map(listener).transpose()?;
        let settings = RedisCacheSettings {
            max_entry_bytes: config.server.cache.max_cache_item_size,
            max_time_to_live: config.server.cache.max_time_to_live,
            min_use_count: config.server.cache.min_use_count,
        };
        let shared = match (cache.as_ref().or(lock.as_ref()), lock.as_ref().or(cache.as_ref()), &announcements) {
            (Some(marks), Some(announcer), Some(announcements)) => {
                let (marks, announcer) = (Arc::clone(marks), Arc::clone(announcer));
                let epochs = RedisEpochs::new(marks, announcer, Arc::clone(announcements), settings.max_time_to_live);
                Some(Arc::new(epochs) as Arc<dyn SharedEpochs>)
            }
            _ => None,
        };
        let epochs = Epochs::new(super::settings::epochs(config), shared);
        Ok(Self { cache, lock, announcements, settings, epochs })
    }

    /// What tells results of replaced originals apart.
    pub(super) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// The level below the memory of the cache.
    pub(super) fn cache(&self) -> Option<Arc<dyn SharedCache>> {
        let server = Arc::clone(self.cache.as_ref()?);
        Some(Arc::new(RedisCache::new(server, self.settings)))
    }

    /// The lease that flights hold.
    pub(super) fn lease(&self) -> Option<Arc<dyn Lease>> {
        let (server, announcements) = (self.lock.as_ref()?, self.announcements.as_ref()?);
        Some(Arc::new(RedisLease::new(Arc::clone(server), Arc::clone(announcements))))
    }

    /// What has to be listened to, for the lease and for replacements.
    pub(super) fn announcements(&self) -> Option<Arc<Announcements>> {
        self.announcements.clone()
    }

    /// All connections at this moment.
    pub fn stats(&self) -> Vec<RedisStats> {
        let servers = self.cache.iter().map(|server| server.stats("cache"));
        let mut stats: Vec<_> = servers.chain(self.lock.iter().map(|server| server.stats("lock"))).collect();
        if let (Some(last), Some(announcements)) = (stats.last_mut(), &self.announcements) {
            last.announcements = Some(announcements.stats());
        }
        stats
    }
}

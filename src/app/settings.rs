//! From the sections of the configuration to the settings of each actor.

use std::num::NonZeroUsize;

use mortar_actors::cache::CacheSettings;
use mortar_actors::epoch::EpochSettings;
use mortar_actors::lock::LockSettings;
use mortar_actors::storage::StorageSettings;
use mortar_actors::store_back::StoreBackSettings;
use mortar_actors::transform::TransformSettings;
use mortar_actors::{BreakerSettings, SupervisionSettings};

use crate::config::Config;
use crate::pipeline::OverlaySettings;

pub(super) fn storage(config: &Config) -> StorageSettings {
    let bounds = &config.actors.storage;
    StorageSettings {
        max_clients: bounds.clients,
        client_idle: bounds.client_idle_timeout,
        health_interval: bounds.health_interval,
        health_timeout: bounds.health_timeout,
        reads: bounds.reads,
        streams: bounds.streams,
        reader_patience: bounds.reader_patience,
        reader_min_rate: bounds.reader_min_rate,
        writes: bounds.writes,
        write_backs: bounds.write_backs,
        buffered_bytes: bounds.bytes_in_flight,
        breaker: BreakerSettings { failures: bounds.breaker_failures, cool_down: bounds.breaker_cooldown },
    }
}

pub(super) fn cache(config: &Config) -> CacheSettings {
    let bounds = &config.actors.cache;
    CacheSettings {
        memory_bytes: config.server.cache.cache_size,
        max_entry_bytes: config.server.cache.max_cache_item_size,
        lookups: bounds.shared_operations,
        writes: bounds.shared_operations,
        shared_timeout: bounds.shared_timeout,
        breaker: BreakerSettings { failures: bounds.breaker_failures, cool_down: bounds.breaker_cooldown },
    }
}

pub(super) fn epochs(config: &Config) -> EpochSettings {
    let bounds = &config.actors.cache;
    EpochSettings {
        timeout: bounds.shared_timeout,
        breaker: BreakerSettings { failures: bounds.breaker_failures, cool_down: bounds.breaker_cooldown },
    }
}

pub(super) fn lock(config: &Config) -> LockSettings {
    let bounds = &config.actors.lock;
    LockSettings {
        joins: bounds.joins,
        max_flights: bounds.flights,
        max_waiters_per_key: bounds.waiters_per_key,
        flight_timeout: config.server.lock_timeout,
        lease_time_to_live: bounds.lease_time_to_live,
        lease_poll: bounds.lease_poll,
        lease_timeout: bounds.lease_timeout,
        breaker: BreakerSettings { failures: bounds.breaker_failures, cool_down: bounds.breaker_cooldown },
    }
}

pub(super) fn transform(config: &Config) -> TransformSettings {
    let bounds = &config.actors.transform;
    TransformSettings {
        running: config.server.concurrent_image_processing,
        queued: bounds.queued,
        reserved: bounds.reserved,
        large_work: bounds.large_work,
        memory_bytes: config.limits.render_memory_bytes,
        quarantine: bounds.quarantine,
        quarantine_keys: bounds.quarantined_keys,
        stuck_after: bounds.stuck_after,
        max_stuck: bounds.stuck,
    }
}

pub(super) fn store_back(config: &Config) -> StoreBackSettings {
    let bounds = &config.actors.store_back;
    StoreBackSettings {
        items: bounds.items,
        bytes: bounds.bytes,
        writers: config.actors.storage.write_backs,
        write_timeout: bounds.write_timeout,
    }
}

pub(super) fn supervision(config: &Config) -> SupervisionSettings {
    let bounds = &config.supervision;
    SupervisionSettings {
        backoff_first: bounds.backoff_min,
        backoff_max: bounds.backoff_max,
        budget: bounds.restarts as usize,
        budget_period: bounds.restart_window,
        jitter_seed: None,
    }
}

pub(super) fn overlays(config: &Config) -> OverlaySettings {
    let watermarks = &config.watermarks;
    OverlaySettings {
        allowed_hosts: watermarks.allowed_hosts.clone(),
        limits: config.limits.clone(),
        items: NonZeroUsize::new(watermarks.cache_items).unwrap_or(NonZeroUsize::MIN),
        cache_bytes: watermarks.cache_bytes,
        time_to_live: watermarks.cache_time_to_live,
    }
}

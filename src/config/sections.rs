//! Reads the sections that bound and tune the service. The numbers here are the defaults; `config.toml` repeats them.

use std::time::Duration;

use ipnet::IpNet;

use super::reader::Section;
use super::units::{DAY, GIB, HOUR, KIB, MIB, MOST_BYTES, SHORTEST};
use super::{
    ActorsConfig, CacheActorConfig, EncodingConfig, LimitsConfig, LockActorConfig, OriginConfig, StorageActorConfig,
    StoreBackConfig, SupervisionConfig, TransformActorConfig, WatermarkConfig,
};

const MOST_ITEMS: usize = 1_000_000;

pub(super) fn limits(mut section: Section<'_>) -> LimitsConfig {
    let limits = LimitsConfig {
        source_bytes: section.size("source_bytes", 64 * MIB, KIB..=16 * GIB),
        source_pixels: section.count("source_pixels", 100_000_000, 1..=10_000_000_000),
        output_side: section.count("output_side", 8192, 1..=65_500),
        output_pixels: section.count("output_pixels", 40_000_000, 1..=4_000_000_000),
        frames: section.count("frames", 256, 1..=100_000),
        watermark_bytes: section.size("watermark_bytes", 4 * MIB, KIB..=GIB),
        operations: section.count("operations", 16, 1..=1_000),
        render_memory_bytes: section.size("render_memory_bytes", GIB, 16 * MIB..=MOST_BYTES),
    };
    section.finish();
    limits
}

pub(super) fn encoding(mut section: Section<'_>) -> EncodingConfig {
    let encoding = EncodingConfig {
        jpeg_quality: section.count("jpeg_quality", 75, 1..=100),
        webp_quality: section.count("webp_quality", 75, 1..=100),
        webp_method: section.count("webp_method", 5, 0..=6),
        avif_quality: section.count("avif_quality", 50, 1..=100),
        avif_speed: section.count("avif_speed", 7, 5..=10),
        png_compression: section.count("png_compression", 6, 1..=9),
    };
    section.finish();
    encoding
}

pub(super) fn origins(mut section: Section<'_>) -> OriginConfig {
    let seconds = Duration::from_secs;
    let origins = OriginConfig {
        connect_timeout: section.duration("connect_timeout", seconds(4), SHORTEST..=HOUR),
        tls_timeout: section.duration("tls_timeout", seconds(5), SHORTEST..=HOUR),
        first_byte_timeout: section.duration("first_byte_timeout", seconds(10), SHORTEST..=HOUR),
        idle_body_timeout: section.duration("idle_body_timeout", seconds(10), SHORTEST..=HOUR),
        max_redirects: section.count("max_redirects", 3, 0..=20),
        allow_networks: section.parsed_texts("allow_networks", network).unwrap_or_default(),
        idle_connections_per_host: section.count("idle_connections_per_host", 16, 0..=10_000),
        max_body_bytes: section.size("max_body_bytes", GIB, KIB..=MOST_BYTES),
    };
    section.finish();
    origins
}

fn network(text: &str) -> Result<IpNet, String> {
    text.parse().map_err(|_| format!("{text:?} is not a network such as 10.0.0.0/8 or fd00::/8"))
}

pub(super) fn watermarks(mut section: Section<'_>) -> WatermarkConfig {
    let watermarks = WatermarkConfig {
        allowed_hosts: section.parsed_texts("allowed_hosts", host).unwrap_or_default(),
        cache_items: section.count("cache_items", 64, 1..=MOST_ITEMS),
        cache_bytes: section.size("cache_bytes", 64 * MIB, 0..=MOST_BYTES),
        cache_time_to_live: section.duration("cache_time_to_live", Duration::from_secs(600), SHORTEST..=30 * DAY),
    };
    section.finish();
    watermarks
}

fn host(text: &str) -> Result<String, String> {
    match url::Host::parse(text) {
        Ok(host) => Ok(host.to_string()),
        Err(_) => Err(format!("{text:?} is not a host name; write it without scheme, port and path")),
    }
}

/// `running` is the number of renders that run at once.
pub(super) fn actors(mut section: Section<'_>, running: usize) -> ActorsConfig {
    let actors = ActorsConfig {
        storage: storage_actor(section.section("storage")),
        cache: cache_actor(section.section("cache")),
        lock: lock_actor(section.section("lock")),
        transform: transform_actor(section.section("transform"), running),
        store_back: store_back(section.section("store_back")),
    };
    section.finish();
    actors
}

fn storage_actor(mut section: Section<'_>) -> StorageActorConfig {
    let seconds = Duration::from_secs;
    let storage = StorageActorConfig {
        reads: section.count("reads", 256, 1..=MOST_ITEMS),
        streams: section.count("streams", 256, 1..=MOST_ITEMS),
        reader_patience: section.duration("reader_patience", seconds(60), seconds(1)..=DAY),
        reader_min_rate: section.size("reader_min_rate", KIB, 0..=MIB),
        writes: section.count("writes", 64, 1..=MOST_ITEMS),
        write_backs: section.count("write_backs", 16, 1..=MOST_ITEMS),
        file_operations: section.count("file_operations", 16, 1..=4096),
        bytes_in_flight: section.size("bytes_in_flight", 512 * MIB, MIB..=MOST_BYTES),
        clients: section.count("clients", 64, 1..=MOST_ITEMS),
        client_idle_timeout: section.duration("client_idle_timeout", seconds(600), seconds(1)..=30 * DAY),
        health_interval: section.duration("health_interval", seconds(30), seconds(1)..=DAY),
        health_timeout: section.duration("health_timeout", seconds(5), SHORTEST..=HOUR),
        breaker_failures: section.count("breaker_failures", 5, 1..=1_000_000),
        breaker_cooldown: section.duration("breaker_cooldown", seconds(5), SHORTEST..=HOUR),
    };
    section.finish();
    storage
}

fn cache_actor(mut section: Section<'_>) -> CacheActorConfig {
    let cache = CacheActorConfig {
        shared_operations: section.count("shared_operations", 256, 1..=MOST_ITEMS),
        shared_timeout: section.duration("shared_timeout", Duration::from_millis(50), SHORTEST..=HOUR),
        breaker_failures: section.count("breaker_failures", 5, 1..=1_000_000),
        breaker_cooldown: section.duration("breaker_cooldown", Duration::from_secs(5), SHORTEST..=HOUR),
    };
    section.finish();
    cache
}

fn lock_actor(mut section: Section<'_>) -> LockActorConfig {
    let seconds = Duration::from_secs;
    let lock = LockActorConfig {
        flights: section.count("flights", 1024, 1..=MOST_ITEMS),
        waiters_per_key: section.count("waiters_per_key", 10_000, 1..=MOST_ITEMS),
        joins: section.count("joins", 10_000, 1..=MOST_ITEMS),
        lease_time_to_live: section.duration("lease_time_to_live", seconds(6), Duration::from_millis(100)..=HOUR),
        lease_poll: section.duration("lease_poll", Duration::from_millis(500), SHORTEST..=HOUR),
        lease_timeout: section.duration("lease_timeout", Duration::from_millis(100), SHORTEST..=HOUR),
        breaker_failures: section.count("breaker_failures", 5, 1..=1_000_000),
        breaker_cooldown: section.duration("breaker_cooldown", seconds(5), SHORTEST..=HOUR),
    };
    if lock.lease_timeout >= lock.lease_time_to_live / 3 {
        section.problem("lease_timeout", "must be less than a third of lease_time_to_live, when leases are renewed");
    }
    section.finish();
    lock
}

fn transform_actor(mut section: Section<'_>, running: usize) -> TransformActorConfig {
    let or = |count: usize, otherwise: usize| if count == 0 { otherwise } else { count };
    let queued = or(section.count("queued", 0, 0..=MOST_ITEMS), 64 * running);
    let transform = TransformActorConfig {
        queued,
        reserved: or(section.count("reserved", 0, 0..=MOST_ITEMS), (queued / 4).max(1)),
        large_work: section.count("large_work", 100_000_000, 1..=1_000_000_000_000),
        quarantine: section.duration("quarantine", Duration::from_secs(60), Duration::ZERO..=DAY),
        quarantined_keys: section.count("quarantined_keys", 1024, 1..=MOST_ITEMS),
        stuck_after: section.duration("stuck_after", Duration::from_secs(5), SHORTEST..=HOUR),
        stuck: or(section.count("stuck", 0, 0..=MOST_ITEMS), (running / 2).max(1)),
    };
    section.finish();
    transform
}

fn store_back(mut section: Section<'_>) -> StoreBackConfig {
    let store_back = StoreBackConfig {
        items: section.count("items", 256, 1..=MOST_ITEMS),
        bytes: section.size("bytes", 128 * MIB, KIB..=MOST_BYTES),
        write_timeout: section.duration("write_timeout", Duration::from_secs(30), SHORTEST..=HOUR),
        flush_timeout: section.duration("flush_timeout", Duration::from_secs(5), Duration::ZERO..=HOUR),
    };
    section.finish();
    store_back
}

pub(super) fn supervision(mut section: Section<'_>) -> SupervisionConfig {
    let supervision = SupervisionConfig {
        backoff_min: section.duration("backoff_min", Duration::from_millis(50), SHORTEST..=HOUR),
        backoff_max: section.duration("backoff_max", Duration::from_secs(5), SHORTEST..=HOUR),
        restarts: section.count("restarts", 5, 0..=1_000_000),
        restart_window: section.duration("restart_window", Duration::from_secs(30), SHORTEST..=DAY),
        stop_timeout: section.duration("stop_timeout", Duration::from_secs(5), SHORTEST..=HOUR),
    };
    if supervision.backoff_min > supervision.backoff_max {
        section.problem("backoff_min", "is longer than backoff_max");
    }
    section.finish();
    supervision
}

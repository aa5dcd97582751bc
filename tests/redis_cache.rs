//! The cache level in Redis: what is kept there, for how long, and by which roads it is reached.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod harness;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use harness::redis::{PATIENT, Redis, RedisCluster, section};
use harness::{Mortar, drawn_jpeg, wait_for};
use mortar::adapters::{RedisCache, RedisCacheSettings, RedisServer};
use mortar::config::{CacheKind, RedisConfig, parse};
use mortar_actors::cache::SharedCache;
use mortar_actors::epoch::Mark;
use mortar_actors::{EntityTag, Key, Rendition};

const MINUTE: Duration = Duration::from_secs(60);
const SETTINGS: RedisCacheSettings =
    RedisCacheSettings { max_entry_bytes: 100_000, max_time_to_live: MINUTE, min_use_count: 1 };

/// What a section `[server.cache]` with these keys comes to.
fn config(keys: &str) -> RedisConfig {
    let text = format!("[server.cache]\nwait_timeout = \"5s\"\nconnect_timeout = \"5s\"\n{keys}");
    match parse(&text, &HashMap::new()).unwrap().server.cache.kind {
        CacheKind::Redis(redis) => redis,
        CacheKind::Memory => panic!("the section asks for Redis"),
    }
}

fn cache_with(keys: &str, settings: RedisCacheSettings) -> RedisCache {
    RedisCache::new(Arc::new(RedisServer::new(&config(keys)).unwrap()), settings)
}

fn cache(redis: &Redis, settings: RedisCacheSettings) -> RedisCache {
    cache_with(&format!("type = \"redis\"\naddress = \"{}\"", redis.address()), settings)
}

fn entry(content_type: &str, body: &[u8]) -> Rendition {
    Rendition {
        body: body.to_vec().into(),
        content_type: content_type.to_owned(),
        etag: EntityTag::new("abc"),
        last_modified: UNIX_EPOCH + MINUTE,
        width: Some(4),
        height: Some(3),
    }
}

fn key() -> Key {
    Key::new("media\nbasic\nphoto.jpg")
}

/// Puts an entry and takes it out again.
async fn round_trip(cache: &RedisCache) {
    let kept = entry("image/jpeg", b"picture");
    assert!(cache.put(&key(), &kept, MINUTE, Mark::default()).await.unwrap());
    let (found, _) = cache.get(&key()).await.unwrap().unwrap();
    assert_eq!(*found, kept);
    cache.remove(&key()).await.unwrap();
    assert!(cache.get(&key()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_entry_comes_back_with_what_is_left_of_its_time() {
    let redis = Redis::start();
    let cache = cache(&redis, SETTINGS);
    let kept = entry("image/jpeg", b"picture");
    assert!(cache.put(&key(), &kept, MINUTE / 2, Mark::default()).await.unwrap());
    let (found, left) = cache.get(&key()).await.unwrap().unwrap();
    assert_eq!(*found, kept);
    assert!(left > Duration::ZERO && left <= MINUTE / 2, "{left:?}");
    assert_eq!(redis.keys("*"), ["mortar:result:media\nbasic\nphoto.jpg"]);
}

#[tokio::test]
async fn no_entry_lives_longer_than_configured() {
    let redis = Redis::start();
    let cache = cache(&redis, SETTINGS);
    assert!(cache.put(&key(), &entry("image/jpeg", b"a"), Duration::MAX, Mark::default()).await.unwrap());
    let left: i64 = redis.run(&["PTTL", &redis.keys("*")[0]]);
    assert!((1..=60_000).contains(&left), "{left}");
    assert!(!cache.put(&Key::new("b"), &entry("image/jpeg", b"b"), Duration::ZERO, Mark::default()).await.unwrap());
    assert_eq!(redis.keys("*").len(), 1);
}

#[tokio::test]
async fn entries_beyond_the_largest_are_not_kept() {
    let redis = Redis::start();
    let cache = cache(&redis, RedisCacheSettings { max_entry_bytes: 1_000, ..SETTINGS });
    assert!(!cache.put(&key(), &entry("image/jpeg", &[1; 1_001]), MINUTE, Mark::default()).await.unwrap());
    assert!(redis.keys("*").is_empty());
    assert!(cache.put(&key(), &entry("image/jpeg", &[1; 1_000]), MINUTE, Mark::default()).await.unwrap());
}

#[tokio::test]
async fn an_entry_is_kept_once_it_is_used_often_enough_and_the_count_goes_by_itself() {
    let redis = Redis::start();
    let cache = cache(&redis, RedisCacheSettings { min_use_count: 3, ..SETTINGS });
    for kept in [false, false, true] {
        assert_eq!(cache.put(&key(), &entry("image/jpeg", b"a"), MINUTE, Mark::default()).await.unwrap(), kept);
        for name in redis.keys("*") {
            let left: i64 = redis.run(&["PTTL", &name]);
            assert!((1..=60_000).contains(&left), "{name} lives for {left} ms");
        }
    }
    assert!(cache.get(&key()).await.unwrap().is_some());
}

#[tokio::test]
async fn fault_18_redis_holds_little_more_than_the_bytes_of_a_picture_and_less_than_those_of_a_text() {
    let redis = Redis::start();
    let cache = cache(&redis, SETTINGS);
    let text = br#"{"width":400,"height":300}"#.repeat(400);
    for (name, content_type, body, most) in [
        ("picture", "image/jpeg", drawn_jpeg(64, 64), drawn_jpeg(64, 64).len() + 64),
        ("text", "application/json", text.clone(), text.len() / 10),
    ] {
        assert!(cache.put(&Key::new(name), &entry(content_type, &body), MINUTE, Mark::default()).await.unwrap());
        let stored: usize = redis.run(&["STRLEN", &format!("mortar:result:{name}")]);
        assert!(stored <= most, "{stored} bytes for a {name} of {}", body.len());
        assert_eq!(cache.get(&Key::new(name)).await.unwrap().unwrap().0.body, body);
    }
}

#[tokio::test]
async fn a_frame_of_another_version_or_cut_short_is_a_miss_and_is_removed() {
    let redis = Redis::start();
    let cache = cache(&redis, SETTINGS);
    let name = "mortar:result:media\nbasic\nphoto.jpg";
    for spoil in
        [["SETRANGE", name, "0", "\u{7f}"], ["SET", name, "\u{1}short", "KEEPTTL"], ["APPEND", name, "more", ""]]
    {
        assert!(cache.put(&key(), &entry("image/jpeg", b"picture"), MINUTE, Mark::default()).await.unwrap());
        let spoil: Vec<&str> = spoil.into_iter().filter(|word| !word.is_empty()).collect();
        redis.run::<deadpool_redis::redis::Value>(&spoil);
        assert!(cache.get(&key()).await.unwrap().is_none(), "{spoil:?}");
        assert!(redis.keys("*").is_empty(), "{spoil:?}");
    }
}

#[tokio::test]
async fn installations_with_different_prefixes_do_not_meet() {
    let redis = Redis::start();
    let one = cache(&redis, SETTINGS);
    let address = redis.address();
    let other = cache_with(&format!("type = \"redis\"\naddress = \"{address}\"\nkey_prefix = \"other\""), SETTINGS);
    assert!(one.put(&key(), &entry("image/jpeg", b"picture"), MINUTE, Mark::default()).await.unwrap());
    assert!(other.get(&key()).await.unwrap().is_none());
}

#[tokio::test]
async fn passwords_database_numbers_and_unix_sockets_are_used() {
    let redis = Redis::with(&["--requirepass", "se@cret", "--unixsocket", "{dir}/redis.sock"]);
    let address = redis.address();
    round_trip(&cache_with(&format!("type = \"redis\"\naddress = \"redis://:se%40cret@{address}/5\""), SETTINGS)).await;
    let keys = format!(
        "type = \"redis\"\naddress = \"unix:{}\"\npassword = \"se@cret\"\ndatabase = 5",
        redis.file("redis.sock").display()
    );
    round_trip(&cache_with(&keys, SETTINGS)).await;
    let stranger = cache_with(&format!("type = \"redis\"\naddress = \"{address}\""), SETTINGS);
    assert!(stranger.get(&key()).await.is_err());
}

#[tokio::test]
async fn tls_is_spoken_to_servers_with_a_trusted_certificate_and_to_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.path().join("cert.pem"), certified.cert.pem()).unwrap();
    std::fs::write(directory.path().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let files = ["--tls-cert-file", "{dir}/cert.pem", "--tls-key-file", "{dir}/key.pem", "--tls-auth-clients", "no"];
    let arguments: Vec<&str> = ["--tls-port"].into_iter().chain(files).collect();
    let redis = Redis::within(directory, harness::redis::free_port(), &arguments);
    let address = format!("type = \"redis\"\naddress = \"rediss://localhost:{}\"", redis.port);
    let trusting = format!("{address}\nca_certificate = \"{}\"", redis.file("cert.pem").display());
    round_trip(&cache_with(&trusting, SETTINGS)).await;
    assert!(cache_with(&address, SETTINGS).get(&key()).await.is_err(), "an unknown certificate was trusted");
}

#[tokio::test]
async fn a_cluster_is_one_cache() {
    let cluster = RedisCluster::start();
    let cache = cache_with(&format!("type = \"redis-cluster\"\naddress = {}", cluster.addresses()), SETTINGS);
    for number in 0..30 {
        let body = format!("picture {number}");
        let key = Key::new(format!("key {number}"));
        assert!(cache.put(&key, &entry("image/jpeg", body.as_bytes()), MINUTE, Mark::default()).await.unwrap());
        assert_eq!(cache.get(&key).await.unwrap().unwrap().0.body, body);
    }
    let shares: Vec<u64> = cluster.0.iter().map(|node| node.run(&["DBSIZE"])).collect();
    assert_eq!(shares.iter().sum::<u64>(), 30);
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
}

#[tokio::test]
async fn connections_stay_within_the_pool_however_many_ask() {
    let redis = Redis::start();
    let keys = format!("type = \"redis\"\naddress = \"{}\"\nconnections = 3", redis.address());
    let server = Arc::new(RedisServer::new(&config(&keys)).unwrap());
    let cache = Arc::new(RedisCache::new(Arc::clone(&server), SETTINGS));
    let asks = (0..200).map(|_| {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { cache.get(&key()).await })
    });
    for ask in asks.collect::<Vec<_>>() {
        assert!(ask.await.unwrap().unwrap().is_none());
    }
    let stats = server.stats("cache");
    assert!(stats.connections <= 3 && stats.opened <= 3, "{stats:?}");
    assert_eq!((stats.operations, stats.failures, stats.waiting), (200, 0, 0));
}

#[test]
fn what_one_instance_made_is_a_hit_for_the_next() {
    let redis = Redis::start();
    let one = Mortar::with("", &format!("{}{PATIENT}", section("cache", &redis.address())));
    one.put("photo.jpg", &drawn_jpeg(800, 640));
    let made = one.get("/media/photo.jpg?width=300");
    wait_for("the entry in Redis", || (!redis.keys("mortar:result:*").is_empty()).then_some(()));

    let other = one.beside();
    let found = other.get("/media/photo.jpg?width=300");
    assert_eq!((&found.body, found.header("etag")), (&made.body, made.header("etag")));
    assert_eq!(found.header("content-type"), made.header("content-type"));
    assert_eq!(other.actor("transform")["handled"], 0);
    assert_eq!(other.detail("cache")["shared_hits"], 1);
    let stats = other.stats();
    assert_eq!((&stats["redis"][0]["user"], &stats["redis"][0]["connections"]), (&"cache".into(), &1.into()));
    assert!(other.internal("/metrics").text().contains("mortar_redis_connections{user=\"cache\"} 1"));
}

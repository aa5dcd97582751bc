//! The cache never fails a request, never serves what has outlived its time, and hands out the buffer it was given.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use mortar_actors::cache::{CacheHandle, CacheSettings, CacheStats, SharedCache};
use mortar_actors::epoch::Epoch;
use mortar_actors::fakes::{Crash, FakeSharedCache, Script, assert_clean, eventually, rendition};
use mortar_actors::{BreakerSettings, Deadline, Detail, Fault, FaultKind, Key, Tree};

const HOUR: Duration = Duration::from_secs(3600);

struct Scene {
    tree: Tree,
    cache: CacheHandle,
}

impl Scene {
    async fn set(settings: CacheSettings, shared: Option<Arc<dyn SharedCache>>) -> Self {
        tokio::time::pause();
        let mut builder = Tree::builder(Arbiter::current());
        let cache = builder.cache(settings, shared);
        let tree = builder.start().await.unwrap();
        Self { tree, cache }
    }

    async fn lookup(&self, key: &str) -> Option<bytes::Bytes> {
        let found = self.cache.lookup(&Key::new(key), Deadline::within(Duration::from_secs(10))).await;
        found.map(|rendition| rendition.body.clone())
    }

    fn insert(&self, key: &str, body: &'static [u8]) {
        self.cache.insert(Key::new(key), rendition(body), HOUR, &Epoch::endless());
    }

    fn stats(&self) -> CacheStats {
        match self.tree.stats().child("cache").unwrap().detail.clone() {
            Some(Detail::Cache(stats)) => stats,
            other => panic!("the cache tells {other:?}"),
        }
    }
}

#[actix::test]
async fn what_has_no_time_to_live_takes_no_room() {
    let scene = Scene::set(CacheSettings::default(), None).await;
    scene.insert("a", b"old");
    scene.cache.insert(Key::new("a"), rendition(vec![7; 1000]), Duration::ZERO, &Epoch::endless());
    assert!(scene.cache.peek(&Key::new("a")).is_none());
    assert_eq!((scene.stats().entries, scene.stats().bytes), (0, 0));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn memory_stays_within_its_bytes_and_weighs_every_entry() {
    let settings = CacheSettings { memory_bytes: 100_000, max_entry_bytes: 20_000, ..CacheSettings::default() };
    let scene = Scene::set(settings, None).await;
    for number in 0..1000 {
        scene.cache.insert(Key::new(format!("{number}")), rendition(vec![0; 5_000]), HOUR, &Epoch::endless());
        assert!(scene.stats().bytes <= 100_000);
    }
    let stats = scene.stats();
    assert_eq!(stats.bytes, stats.entries as u64 * 5_256);
    assert!(stats.entries >= 15, "most of the room is used: {} entries", stats.entries);
    assert_eq!(stats.evictions, 1000 - stats.entries as u64);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn an_entry_that_is_too_large_is_not_kept_and_ousts_its_predecessor() {
    let settings = CacheSettings { max_entry_bytes: 1_000, ..CacheSettings::default() };
    let scene = Scene::set(settings, None).await;
    scene.insert("a", b"small");
    scene.cache.insert(Key::new("a"), rendition(vec![0; 1_000]), HOUR, &Epoch::endless());
    assert_eq!(scene.cache.peek(&Key::new("a")), None);
    assert_eq!(scene.stats().bytes, 0);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn an_entry_is_served_for_its_time_and_no_longer() {
    let scene = Scene::set(CacheSettings::default(), None).await;
    scene.insert("a", b"picture");
    tokio::time::advance(HOUR - Duration::from_millis(1)).await;
    assert!(scene.cache.peek(&Key::new("a")).is_some());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(scene.cache.peek(&Key::new("a")), None);
    let stats = scene.stats();
    assert_eq!((stats.expired, stats.entries, stats.bytes), (1, 0, 0));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_time_to_live_without_end_is_kept() {
    let scene = Scene::set(CacheSettings::default(), None).await;
    scene.cache.insert(Key::new("a"), rendition("picture"), Duration::MAX, &Epoch::endless());
    assert!(scene.cache.peek(&Key::new("a")).is_some());
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn without_a_shared_level_a_lookup_costs_no_message() {
    let scene = Scene::set(CacheSettings::default(), None).await;
    assert_eq!(scene.lookup("a").await, None);
    scene.insert("a", b"picture");
    assert_eq!(scene.lookup("a").await.unwrap(), "picture");
    let stats = scene.tree.stats();
    assert_eq!(stats.child("cache").unwrap().gates[0].admitted, 0);
    assert_eq!((scene.stats().misses, scene.stats().memory_hits), (1, 1));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn what_the_shared_level_has_is_kept_in_memory_for_the_rest_of_its_time() {
    let shared = FakeSharedCache::new();
    shared.keep(Key::new("a"), rendition("picture"), Duration::from_secs(60));
    let scene = Scene::set(CacheSettings::default(), Some(shared.clone())).await;
    assert_eq!(scene.lookup("a").await.unwrap(), "picture");
    assert_eq!(scene.lookup("a").await.unwrap(), "picture");
    assert_eq!((shared.operations.get(), scene.stats().shared_hits), (1, 1));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(scene.cache.peek(&Key::new("a")), None);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn an_entry_goes_to_the_shared_level_behind_the_callers_back_and_is_removed_from_both() {
    let shared = FakeSharedCache::new();
    let scene = Scene::set(CacheSettings::default(), Some(shared.clone())).await;
    let key = Key::new("a");
    scene.insert("a", b"picture");
    eventually("it arrives", || shared.entry(&key).is_some()).await;
    scene.cache.remove(&key, Deadline::within(Duration::from_secs(1))).await;
    assert_eq!((shared.entry(&key), scene.cache.peek(&key)), (None, None));
    assert_clean(&scene.tree).await;
}

async fn misses_when_the_shared_level(script: Script) {
    let shared = FakeSharedCache::new();
    shared.script(script);
    let breaker = BreakerSettings { failures: 3, cool_down: Duration::from_secs(5) };
    let scene = Scene::set(CacheSettings { breaker, ..CacheSettings::default() }, Some(shared.clone())).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(scene.lookup("a").await, None);
    }
    assert!(begun.elapsed() < Duration::from_millis(200), "each waits 50 ms at most");
    assert_eq!(scene.stats().shared_faults, 3);
    assert!(scene.tree.readiness().ready);
    scene.insert("a", b"picture");
    assert_eq!(scene.lookup("a").await.unwrap(), "picture", "memory serves on");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_shared_level_that_fails_is_a_miss_and_then_given_a_rest() {
    let fails = Script::Fails(Fault::new(FaultKind::Upstream, "down"));
    misses_when_the_shared_level(fails).await;
}

#[actix::test]
async fn a_shared_level_that_hangs_is_a_miss() {
    misses_when_the_shared_level(Script::Hangs).await;
}

#[actix::test]
async fn a_shared_level_that_panics_is_a_miss() {
    misses_when_the_shared_level(Script::Panics).await;
}

#[actix::test]
async fn a_resting_shared_level_is_not_asked_until_its_time_has_come() {
    let shared = FakeSharedCache::new();
    shared.script(Script::Fails(Fault::new(FaultKind::Upstream, "down")));
    let breaker = BreakerSettings { failures: 3, cool_down: Duration::from_secs(5) };
    let scene = Scene::set(CacheSettings { breaker, ..CacheSettings::default() }, Some(shared.clone())).await;
    for _ in 0..100 {
        assert_eq!(scene.lookup("a").await, None);
    }
    assert_eq!(shared.operations.get(), 3);
    assert!(scene.stats().shared_resting);
    shared.script(Script::Works);
    shared.keep(Key::new("a"), rendition("picture"), HOUR);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(scene.lookup("a").await.unwrap(), "picture");
    assert!(!scene.stats().shared_resting);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn lookups_and_writes_beyond_their_bounds_are_misses_and_drops() {
    let shared = FakeSharedCache::new();
    shared.script(Script::Hangs);
    let settings = CacheSettings { lookups: 2, writes: 3, ..CacheSettings::default() };
    let scene = Scene::set(settings, Some(shared.clone())).await;
    for key in ["a", "b", "c", "d", "e"] {
        scene.insert(key, b"picture");
    }
    assert_eq!(scene.stats().shared_dropped, 2);
    let lookups = futures::future::join_all((0..100).map(|_| scene.lookup("other"))).await;
    assert!(lookups.iter().all(Option::is_none));
    assert_eq!(shared.operations.get(), 5, "three writes and two lookups");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_crashed_cache_actor_comes_back_with_empty_memory() {
    let scene = Scene::set(CacheSettings::default(), None).await;
    scene.insert("a", b"picture");
    scene.cache.crash();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.cache.peek(&Key::new("a")), None);
    assert_eq!((scene.stats().entries, scene.tree.stats().child("cache").unwrap().restarts), (0, 1));
    scene.insert("a", b"picture");
    assert!(scene.cache.peek(&Key::new("a")).is_some());
    assert_clean(&scene.tree).await;
}

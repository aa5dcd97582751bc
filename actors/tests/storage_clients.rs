//! Store clients are bounded, watched and rebuilt; reads count until their bodies are gone.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use bytes::Bytes;
use futures::future::join_all;
use futures::{TryStreamExt, stream};
use mortar_actors::fakes::{Crash, FakeStores, Script, assert_clean, eventually};
use mortar_actors::storage::{ListRequest, PutCondition, StorageHandle, StorageSettings, StorageStats};
use mortar_actors::{
    Body, BreakerSettings, ByteStream, Deadline, Detail, Fault, FaultKind, Fetched, ObjectKey, ObjectMeta, StoreId,
    Tree,
};

struct Scene {
    tree: Tree,
    storage: StorageHandle,
    stores: Arc<FakeStores>,
}

impl Scene {
    async fn set(settings: StorageSettings) -> Self {
        tokio::time::pause();
        let stores = FakeStores::new();
        stores.object("cat.jpg", &[b"cat", b" picture"]);
        let mut builder = Tree::builder(Arbiter::current());
        let storage = builder.storage(settings, stores.opener());
        let tree = builder.start().await.unwrap();
        Self { tree, storage, stores }
    }

    async fn plain() -> Self {
        Self::set(StorageSettings::default()).await
    }

    async fn fetch(&self, store: &str, key: &str) -> Result<Fetched, Fault> {
        self.storage.fetch(&StoreId::new(store), &ObjectKey::new(key), None, in_ten_seconds()).await
    }

    /// Reads the cat from a store and lets go of it.
    async fn visit(&self, store: &str) -> Result<(), Fault> {
        self.fetch(store, "cat.jpg").await.map(drop)
    }

    fn stats(&self) -> StorageStats {
        match self.tree.stats().child("storage").unwrap().detail.clone() {
            Some(Detail::Storage(stats)) => stats,
            other => panic!("storage tells {other:?}"),
        }
    }

    fn held(&self, gate: &str) -> u64 {
        let stats = self.tree.stats();
        stats.child("storage").unwrap().gates.iter().find(|stats| stats.name == gate).unwrap().held
    }

    async fn end(self) {
        assert_clean(&self.tree).await;
        self.tree.stop(Duration::from_secs(1)).await;
        assert_eq!(self.stores.clients.get(), 0, "stopping closes every client");
        assert_eq!((self.stores.running.get(), self.stores.open_bodies.get()), (0, 0));
    }
}

fn in_ten_seconds() -> Deadline {
    Deadline::within(Duration::from_secs(10))
}

fn outage() -> Script {
    Script::Fails(Fault::new(FaultKind::Upstream, "the store is down"))
}

/// Red when nothing is evicted: `LruCache::unbounded()` in `Storage::new` (`actors/src/storage/actor.rs`).
#[actix::test]
async fn fault_01_a_thousand_stores_have_at_most_the_bounded_number_of_clients() {
    let scene = Scene::set(StorageSettings { max_clients: 8, ..StorageSettings::default() }).await;
    for store in 0..1000 {
        scene.visit(&format!("bucket/{store}")).await.unwrap();
        assert!(scene.stores.clients.get() <= 8);
    }
    let stats = scene.stats();
    assert_eq!((stats.clients.len(), stats.opened, stats.evicted), (8, 1000, 992));
    assert_eq!(stats.clients[0].store, "bucket/999", "the most recently used comes first");
    scene.end().await;
}

#[actix::test]
async fn the_least_recently_used_client_makes_room() {
    let scene = Scene::set(StorageSettings { max_clients: 2, ..StorageSettings::default() }).await;
    for store in ["a", "b", "a", "c", "a"] {
        scene.visit(store).await.unwrap();
    }
    assert_eq!(scene.stores.opens.get(), 3, "`a` was never closed");
    scene.end().await;
}

#[actix::test]
async fn concurrent_asks_of_a_new_store_join_one_opening() {
    let scene = Scene::plain().await;
    let visits = join_all((0..100).map(|_| scene.visit("a"))).await;
    assert!(visits.into_iter().all(|visit| visit.is_ok()));
    assert_eq!(scene.stores.opens.get(), 1);
    scene.end().await;
}

#[actix::test]
async fn an_opening_that_failed_or_panicked_is_not_remembered() {
    let scene = Scene::plain().await;
    for (script, kind) in [(outage(), FaultKind::Upstream), (Script::Panics, FaultKind::Panicked)] {
        scene.stores.script_next_opening(script);
        assert_eq!(scene.visit("a").await.unwrap_err().kind(), kind);
    }
    scene.visit("a").await.unwrap();
    assert_eq!(scene.stores.opens.get(), 3);
    scene.end().await;
}

#[actix::test]
async fn an_opening_that_hangs_ends_with_the_last_who_waits_for_it() {
    let scene = Scene::plain().await;
    scene.stores.script_next_opening(Script::Hangs);
    assert_eq!(scene.visit("a").await.unwrap_err().kind(), FaultKind::TimedOut);
    scene.visit("a").await.unwrap();
    scene.end().await;
}

/// Red when the tick does not look for idle clients: without `close_idle` in `Storage::tick`
/// (`actors/src/storage/actor.rs`).
#[actix::test]
async fn fault_01_an_idle_client_is_closed_after_its_time() {
    let settings = StorageSettings {
        client_idle: Duration::from_secs(100),
        health_interval: Duration::from_secs(10),
        ..StorageSettings::default()
    };
    let scene = Scene::set(settings).await;
    scene.visit("idle").await.unwrap();
    for _ in 0..12 {
        scene.visit("busy").await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let stats = scene.stats();
    assert_eq!((stats.idle_closed, stats.clients.len(), scene.stores.clients.get()), (1, 1, 1));
    assert_eq!(stats.clients[0].store, "busy");
    scene.visit("idle").await.unwrap();
    assert_eq!(scene.stores.opens.get(), 3);
    scene.end().await;
}

/// Red when a client that fails its check is kept: without `self.close()` in `Client::check`
/// (`actors/src/storage/client.rs`).
#[actix::test]
async fn fault_01_a_client_that_fails_its_health_check_is_closed_and_built_anew() {
    let scene = Scene::plain().await;
    scene.visit("a").await.unwrap();
    for script in [outage(), Script::Hangs, Script::Panics] {
        let (opens, closed) = (scene.stores.opens.get(), scene.stats().unhealthy_closed);
        scene.stores.script_store("a", script);
        tokio::time::sleep(Duration::from_secs(35)).await;
        assert_eq!(scene.stats().unhealthy_closed, closed + 1);
        assert_eq!(scene.storage.reachable().failing, ["a"]);

        scene.stores.script_store("a", Script::Works);
        tokio::time::sleep(Duration::from_secs(35)).await;
        assert!(scene.storage.reachable().failing.is_empty(), "it is probed until it is well, without any request");
        scene.visit("a").await.unwrap();
        assert!(scene.stores.opens.get() > opens);
        assert_eq!(scene.stores.clients.get(), 1);
    }
    scene.end().await;
}

#[actix::test]
async fn evicting_a_client_does_not_end_its_running_call() {
    let scene = Scene::set(StorageSettings { max_clients: 1, ..StorageSettings::default() }).await;
    let body = scene.fetch("a", "cat.jpg").await.unwrap().body;
    scene.visit("b").await.unwrap();
    assert_eq!(body.collect(100).await.unwrap(), "cat picture");
    scene.end().await;
}

#[actix::test]
async fn a_store_that_fails_again_and_again_is_given_a_rest_and_then_tried_once() {
    let breaker = BreakerSettings { failures: 3, cool_down: Duration::from_secs(5) };
    let scene = Scene::set(StorageSettings { breaker, ..StorageSettings::default() }).await;
    scene.stores.script_store("a", outage());
    for _ in 0..100 {
        assert_eq!(scene.visit("a").await.unwrap_err().kind(), FaultKind::Upstream);
    }
    assert_eq!(scene.stores.calls.get(), 3, "the rest was answered at once");
    assert!(scene.visit("a").await.unwrap_err().wait_before_retry().is_some());
    assert!(scene.visit("b").await.is_ok(), "other stores are not concerned");

    scene.stores.script_store("a", Script::Works);
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.visit("a").await.unwrap();
    scene.visit("a").await.unwrap();
    scene.end().await;
}

#[actix::test]
async fn calls_that_run_into_their_deadline_count_as_failures_of_the_store() {
    let breaker = BreakerSettings { failures: 2, cool_down: Duration::from_secs(60) };
    let scene = Scene::set(StorageSettings { breaker, ..StorageSettings::default() }).await;
    scene.stores.script_store("a", Script::Hangs);
    assert_eq!(scene.visit("a").await.unwrap_err().kind(), FaultKind::TimedOut);
    assert!(scene.storage.reachable().failing.is_empty(), "one call says little of the store");
    assert_eq!(scene.visit("a").await.unwrap_err().kind(), FaultKind::TimedOut);
    assert_eq!(scene.visit("a").await.unwrap_err().kind(), FaultKind::Upstream);
    assert_eq!(scene.storage.reachable().failing, ["a"]);
    scene.end().await;
}

#[actix::test]
async fn a_missing_object_is_a_miss_and_no_failure() {
    let scene = Scene::plain().await;
    for _ in 0..10 {
        assert!(scene.fetch("a", "dog.jpg").await.unwrap_err().is_not_found());
    }
    assert_eq!(scene.stores.calls.get(), 10);
    assert!(scene.storage.reachable().failing.is_empty());
    scene.end().await;
}

#[actix::test]
async fn a_call_that_panics_fails_alone() {
    let scene = Scene::plain().await;
    scene.stores.script_key("poison.jpg", Script::Panics);
    for _ in 0..10 {
        assert_eq!(scene.fetch("a", "poison.jpg").await.unwrap_err().kind(), FaultKind::Panicked);
    }
    scene.visit("a").await.unwrap();
    let stats = scene.tree.stats();
    let child = stats.child("storage").unwrap();
    assert_eq!((child.counts.panics, child.restarts), (10, 0));
    scene.end().await;
}

#[actix::test]
async fn a_crashed_storage_actor_comes_back_without_clients() {
    let scene = Scene::plain().await;
    scene.visit("a").await.unwrap();
    scene.storage.crash();
    eventually("its clients are closed", || scene.stores.clients.get() == 0).await;
    scene.visit("a").await.unwrap();
    assert_eq!(scene.stores.opens.get(), 2);
    scene.end().await;
}

#[actix::test]
async fn a_read_is_held_until_its_body_is_read_or_dropped() {
    let scene = Scene::set(StorageSettings { streams: 2, ..StorageSettings::default() }).await;
    let first = scene.fetch("a", "cat.jpg").await.unwrap().body;
    let second = scene.fetch("a", "cat.jpg").await.unwrap().body;
    assert_eq!((scene.held("streams"), scene.stores.open_bodies.get()), (2, 2));
    assert_eq!(scene.visit("a").await.unwrap_err().kind(), FaultKind::Overloaded);
    let loaded = scene.storage.load(&StoreId::new("a"), &ObjectKey::new("cat.jpg"), 100, in_ten_seconds()).await;
    assert_eq!(loaded.unwrap().bytes, "cat picture", "slow readers do not keep others from loading");
    drop(first);
    assert_eq!(second.collect(100).await.unwrap(), "cat picture");
    assert_eq!((scene.held("streams"), scene.stores.open_bodies.get()), (0, 0));
    scene.end().await;
}

#[actix::test]
async fn a_reader_that_leaves_a_body_lying_gives_its_place_back() {
    let scene = Scene::plain().await;
    let Body::Stream(body) = scene.fetch("a", "cat.jpg").await.unwrap().body else { panic!("not a stream") };
    let mut chunks = body.into_chunks();
    assert_eq!(chunks.try_next().await.unwrap().unwrap(), "cat");
    assert_eq!((scene.held("streams"), scene.stores.open_bodies.get()), (1, 1));
    tokio::time::advance(StorageSettings::default().reader_patience + Duration::from_secs(1)).await;
    eventually("the body is closed", || (scene.held("streams"), scene.stores.open_bodies.get()) == (0, 0)).await;
    assert_eq!(chunks.try_next().await.unwrap_err().kind(), FaultKind::TimedOut);
    scene.end().await;
}

#[actix::test]
async fn loading_is_admitted_by_bytes_and_refuses_what_is_too_large_before_reading() {
    let settings = StorageSettings { buffered_bytes: 1024, ..StorageSettings::default() };
    let scene = Scene::set(settings).await;
    let (store, key) = (StoreId::new("a"), ObjectKey::new("cat.jpg"));
    let refusal = scene.storage.load(&store, &key, 5, in_ten_seconds()).await.unwrap_err();
    assert_eq!(refusal.kind(), FaultKind::TooLarge);

    let loaded = scene.storage.load(&store, &key, 100, in_ten_seconds()).await.unwrap();
    assert_eq!(loaded.bytes, "cat picture");
    assert_eq!((scene.held("bytes of bodies"), scene.held("reads")), (1024, 0));
    let refusal = scene.storage.load(&store, &key, 100, in_ten_seconds()).await.unwrap_err();
    assert_eq!(refusal.kind(), FaultKind::Overloaded);
    drop(loaded);
    scene.end().await;
}

#[actix::test]
async fn objects_are_written_told_of_and_removed() {
    let scene = Scene::plain().await;
    let (store, key) = (StoreId::new("a"), ObjectKey::new("dog.jpg"));
    let body = Body::Bytes(Bytes::from_static(b"dog"));
    scene.storage.put(&store, &key, ObjectMeta::default(), body, PutCondition::None, in_ten_seconds()).await.unwrap();
    assert_eq!(scene.storage.stat(&store, &key, in_ten_seconds()).await.unwrap().length, Some(3));
    let request = ListRequest { prefix: "dog".to_owned(), max_keys: 10, ..ListRequest::default() };
    let page = scene.storage.list(&store, request, in_ten_seconds()).await.unwrap();
    assert_eq!(page.objects.iter().map(|listed| &listed.key).collect::<Vec<_>>(), [&key]);
    let again = Body::Bytes(Bytes::from_static(b"wolf"));
    let put =
        scene.storage.put(&store, &key, ObjectMeta::default(), again, PutCondition::IfAbsent, in_ten_seconds()).await;
    assert_eq!(put.unwrap_err().kind(), FaultKind::PreconditionFailed);
    scene.storage.delete(&store, &key, in_ten_seconds()).await.unwrap();
    assert!(scene.storage.stat(&store, &key, in_ten_seconds()).await.unwrap_err().is_not_found());
    scene.end().await;
}

#[actix::test]
async fn a_write_that_is_all_here_is_finished_and_one_that_streams_is_dropped_with_its_requester() {
    let scene = Scene::plain().await;
    let (store, whole, streamed) = (StoreId::new("a"), ObjectKey::new("whole"), ObjectKey::new("streamed"));
    let chunks = stream::iter([Ok(Bytes::from_static(b"first"))]);
    let endless = futures::StreamExt::chain(chunks, stream::pending());
    {
        let body = Body::Stream(ByteStream::new(None, endless));
        let put =
            scene.storage.put(&store, &streamed, ObjectMeta::default(), body, PutCondition::None, in_ten_seconds());
        futures::pin_mut!(put);
        assert!(futures::poll!(&mut put).is_pending());
        eventually("it is being written", || scene.stores.calls.get() == 1).await;
    }
    {
        let body = Body::Bytes(Bytes::from_static(b"all of it"));
        let put = scene.storage.put(&store, &whole, ObjectMeta::default(), body, PutCondition::None, in_ten_seconds());
        futures::pin_mut!(put);
        assert!(futures::poll!(&mut put).is_pending());
        let running = || scene.tree.stats().child("storage").unwrap().counts;
        eventually("it is begun", || running().queued == 0).await;
    }
    assert_clean(&scene.tree).await;
    assert_eq!(scene.stores.bytes("whole").unwrap(), b"all of it");
    assert_eq!(scene.stores.bytes("streamed"), None);
    scene.end().await;
}

#[actix::test]
async fn fetches_abandoned_at_any_moment_leave_nothing_behind() {
    let scene = Scene::plain().await;
    for round in 0..10_000 {
        let visit = scene.visit("a");
        futures::pin_mut!(visit);
        for _ in 0..round % 7 {
            if futures::poll!(&mut visit).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    scene.end().await;
}

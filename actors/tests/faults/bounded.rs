//! Nothing piles up behind what is slow or hangs.

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use bytes::Bytes;
use mortar_actors::cache::CacheSettings;
use mortar_actors::epoch::Epoch;
use mortar_actors::fakes::{
    Counted, FakeEngine, FakeJob, FakeSharedCache, FakeStores, Gauge, RenderScript, Script, Stages, assert_clean,
    eventually, rendition,
};
use mortar_actors::lock::{Errand, LockSettings};
use mortar_actors::storage::StorageSettings;
use mortar_actors::store_back::{StoreBackItem, StoreBackSettings};
use mortar_actors::transform::TransformSettings;
use mortar_actors::{Deadline, Detail, FaultKind, Key, ObjectKey, ObjectMeta, Owner, StoreId, Tree};

/// A body that is counted while anybody holds it.
struct CountedBody(Vec<u8>, #[expect(dead_code, reason = "held, not read")] Counted);

impl AsRef<[u8]> for CountedBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The cache level that instances share and the store of results both take 5 s for a write, while 2,000 results are made.
/// Never are more bodies alive than memory, queue and writes under way may hold; what does not fit is dropped and counted;
/// no result waits for anything.
///
/// Red when the queue drops nothing: without the loop in `Queue::push` (`actors/src/store_back/queue.rs`), or when writes
/// to the shared level have no bound: `usize::MAX` for the gate "cache writes" (`actors/src/cache/handle.rs`).
#[actix::test]
async fn fault_05_results_do_not_pile_up_behind_a_slow_cache_and_a_slow_store() {
    const RESULTS: usize = 2_000;
    const BODY: usize = 1_000;
    tokio::time::pause();
    let (stores, level) = (FakeStores::new(), FakeSharedCache::new());
    let slow = Script::Slow(Duration::from_secs(5));
    stores.script_store("results", slow.clone());
    level.script(slow);
    let mut builder = Tree::builder(Arbiter::current());
    let storage = builder.storage(StorageSettings::default(), stores.opener());
    let in_memory = CacheSettings { memory_bytes: 20_000, max_entry_bytes: 5_000, ..CacheSettings::default() };
    let cache = builder.cache(CacheSettings { writes: 8, ..in_memory }, Some(level.clone()));
    let back = builder.store_back(StoreBackSettings { items: 16, ..StoreBackSettings::default() }, storage);
    let tree = builder.start().await.unwrap();

    let (alive, begun) = (Gauge::default(), tokio::time::Instant::now());
    for number in 0..RESULTS {
        let result = rendition(Bytes::from_owner(CountedBody(vec![7; BODY], alive.count())));
        let key = format!("{number}");
        cache.insert(Key::new(key.as_str()), Arc::clone(&result), Duration::from_secs(3_600), &Epoch::endless());
        back.offer(StoreBackItem {
            store: StoreId::new("results"),
            key: ObjectKey::new(key),
            meta: ObjectMeta::default(),
            rendition: result,
            marker: ObjectKey::new("marker"),
            epoch: Epoch::endless(),
        });
        // The actors have their turn, so that what they can begin is under way.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(alive.get() <= 20 + 8 + 16 + 4, "{} bodies are alive after {number} results", alive.get());
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing was waited for");

    let stats = tree.stats();
    let details: Vec<_> = stats.children.iter().filter_map(|child| child.detail.clone()).collect();
    let dropped = details.iter().fold(0, |sum, detail| match detail {
        Detail::Cache(cache) => sum + cache.shared_dropped,
        Detail::StoreBack(back) => sum + back.dropped,
        _ => sum,
    });
    assert!(dropped as usize >= 2 * (RESULTS - 200), "{dropped} were dropped and counted");
    assert!(back.flush(Deadline::within(Duration::from_secs(60))).await);
    assert_clean(&tree).await;
}

/// A render that hangs, wanted by a flight alone, as a placeholder is: the waiter hears of it at its deadline, and so does
/// the flight at its own; the render ends at its next stage and gives its permits back.
///
/// Red when a flight has no deadline: `Deadline::within(Duration::MAX)` in `Lock::join` (`actors/src/lock/actor.rs`),
/// together with a waiter that stays.
#[actix::test]
async fn fault_20_a_render_that_hangs_ends_with_the_deadline_of_its_flight() {
    tokio::time::pause();
    let engine = FakeEngine::default();
    let mut builder = Tree::builder(Arbiter::current());
    let flight_timeout = Duration::from_secs(10);
    let lock = builder.lock::<Bytes>(LockSettings { flight_timeout, ..LockSettings::default() }, None);
    let transform = builder.transform(TransformSettings::default(), engine.factory());
    let tree = builder.start().await.unwrap();

    let (key, stages) = (Key::new("placeholder"), Stages::of(1_000));
    let errand = {
        let (key, stages) = (key.clone(), stages.clone());
        Errand::new(move |flight| {
            let (transform, key) = (transform.clone(), key.clone());
            let job = FakeJob::new(RenderScript::InStages(stages.clone()));
            async move { transform.render(&key, &Owner::new("media"), job, flight.deadline).await }
        })
    };
    let patient = Deadline::within(Duration::from_secs(600));
    let (outcome, ()) = tokio::join!(lock.join(&key, patient, errand), async {
        eventually("it is under way", || engine.running.get() == 1).await;
        tokio::time::advance(flight_timeout * 2).await;
    });
    assert_eq!(outcome.unwrap_err().kind(), FaultKind::TimedOut);
    stages.next();
    eventually("the render sees that nobody wants it", || engine.stopped.get() == 1).await;
    assert_clean(&tree).await;
}

/// When the tree is stopped every client of a store is closed, although handles and other owners are still there.
///
/// Red when the published list keeps clients: without the `Drop` of `Storage` (`actors/src/storage/actor.rs`).
#[actix::test]
async fn fault_19_no_client_of_a_store_outlives_the_tree() {
    let stores = FakeStores::new();
    stores.object("cat.jpg", &[b"cat"]);
    let mut builder = Tree::builder(Arbiter::current());
    let storage = builder.storage(StorageSettings { max_clients: 8, ..StorageSettings::default() }, stores.opener());
    let tree = builder.start().await.unwrap();
    for number in 0..20 {
        let (store, key) = (StoreId::new(format!("{number}")), ObjectKey::new("cat.jpg"));
        drop(storage.fetch(&store, &key, None, Deadline::within(Duration::from_secs(60))).await.unwrap());
    }
    assert_eq!(stores.clients.get(), 8);
    tree.stop(Duration::from_secs(10)).await;
    assert_eq!(stores.clients.get(), 0);
    drop((storage, tree));
}

//! One buffer for all who have it, and next to nothing for each who waits.

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use bytes::Bytes;
use futures::future::join_all;
use mortar_actors::cache::CacheSettings;
use mortar_actors::epoch::Epoch;
use mortar_actors::fakes::{FakeEngine, FakeJob, FakeSharedCache, FakeStores, RenderScript, assert_clean, rendition};
use mortar_actors::lock::{Errand, LockHandle, LockSettings};
use mortar_actors::storage::StorageSettings;
use mortar_actors::store_back::{StoreBackItem, StoreBackSettings};
use mortar_actors::transform::TransformSettings;
use mortar_actors::{Deadline, Detail, Key, ObjectKey, ObjectMeta, Owner, StoreId, Tree};

use crate::allocations::{Allocated, LARGE};

const HOUR: Duration = Duration::from_secs(3_600);

/// The buffer that goes into the cache is the one that comes out, at every hit, and a hit allocates nothing at all.
///
/// Red when the cache copies on the way in or out: `body: Bytes::copy_from_slice(&rendition.body)` in
/// `MemoryLevel::insert` or `MemoryLevel::get` (`actors/src/cache/memory.rs`).
#[actix::test]
async fn fault_07_the_cache_hands_out_the_buffer_that_it_was_given() {
    let mut builder = Tree::builder(Arbiter::current());
    let cache = builder.cache(CacheSettings::default(), None);
    let tree = builder.start().await.unwrap();
    let (key, kept) = (Key::new("a"), rendition(vec![7; LARGE]));
    let inserting = Allocated::so_far();
    cache.insert(key.clone(), Arc::clone(&kept), HOUR, &Epoch::endless());
    assert_eq!(inserting.since().large, 0);
    let hits = Allocated::so_far();
    for _ in 0..1_000 {
        let found = cache.peek(&key).unwrap();
        assert!(Arc::ptr_eq(&kept, &found) && found.body.as_ptr() == kept.body.as_ptr());
    }
    assert_eq!(hits.since().count, 0);
    assert_clean(&tree).await;
}

/// What a render made is the answer, the entry in both levels of the cache and the bytes that are stored: all of it one
/// buffer. From the moment it is made, nothing of its size is allocated.
///
/// Red when any of them is given a copy: `Bytes::copy_from_slice` of the body in `MemoryLevel::insert`
/// (`actors/src/cache/memory.rs`) or in `write` (`actors/src/store_back/writer.rs`).
#[actix::test]
async fn fault_09_a_result_is_answered_kept_and_stored_as_one_buffer() {
    let (engine, stores, level) = (FakeEngine::default(), FakeStores::new(), FakeSharedCache::new());
    let mut builder = Tree::builder(Arbiter::current());
    let storage = builder.storage(StorageSettings::default(), stores.opener());
    let cache = builder.cache(CacheSettings::default(), Some(level.clone()));
    let transform = builder.transform(TransformSettings::default(), engine.factory());
    let back = builder.store_back(StoreBackSettings::default(), storage.clone());
    let tree = builder.start().await.unwrap();
    let deadline = Deadline::within(HOUR);

    let (key, made) = (Key::new("a"), Bytes::from(vec![7; LARGE]));
    let before = Allocated::so_far();
    let job = FakeJob::new(RenderScript::Gives(made.clone()));
    let result = rendition(transform.render(&key, &Owner::new("media"), job, deadline).await.unwrap());
    let sharing = cache.insert(key.clone(), Arc::clone(&result), HOUR, &Epoch::endless());
    let storing = back.offer(StoreBackItem {
        store: StoreId::new("results"),
        key: ObjectKey::new("a"),
        meta: ObjectMeta::default(),
        rendition: Arc::clone(&result),
        marker: ObjectKey::new("marker"),
        epoch: Epoch::endless(),
    });
    assert!(sharing.is_found_by_others().await && storing.is_stored().await);
    assert_eq!(before.since().large, 0);
    let held = [cache.peek(&key).unwrap().body.clone(), level.entry(&key).unwrap().body.clone(), result.body.clone()];
    assert!(held.iter().all(|body| body.as_ptr() == made.as_ptr()));
    assert_eq!(stores.bytes("a").unwrap(), made);
    assert_clean(&tree).await;
}

/// Has so many wait on one key, and tells the allocations that this took, the errand included.
async fn wait_together(lock: &LockHandle<u64>, tree: &Tree, waiters: usize) -> Allocated {
    let go = Arc::new(tokio::sync::Notify::new());
    let errand = {
        let go = Arc::clone(&go);
        Errand::new(move |_| {
            let go = Arc::clone(&go);
            async move {
                go.notified().await;
                Ok(1)
            }
        })
    };
    let key = Key::new("a");
    let joining = Allocated::so_far();
    let (answers, allocated) = tokio::join!(
        join_all((0..waiters).map(|_| lock.join(&key, Deadline::within(HOUR), errand.clone()))),
        async {
            mortar_actors::fakes::eventually("everyone waits", || {
                matches!(&tree.stats().child("lock").unwrap().detail, Some(Detail::Lock(lock)) if lock.waiters == waiters)
            })
            .await;
            go.notify_one();
            joining.since()
        }
    );
    assert!(answers.into_iter().all(|answer| answer.unwrap() == 1));
    allocated
}

/// 10,000 wait for one key. Each costs the same few allocations and less than 4 KiB, as each of 1,000 does: all share the
/// channel of the flight, and nothing is kept for each but its place.
///
/// Red when every waiter has a channel with room of its own: a `tokio::sync::broadcast::channel(64)` in each `Seat`
/// (`actors/src/lock/flight.rs`).
#[actix::test]
async fn fault_22_a_waiter_costs_a_few_allocations_however_many_wait() {
    let mut builder = Tree::builder(Arbiter::current());
    let settings = LockSettings { joins: 10_000, max_waiters_per_key: 10_000, ..LockSettings::default() };
    let lock = builder.lock::<u64>(settings, None);
    let tree = builder.start().await.unwrap();
    wait_together(&lock, &tree, 100).await;
    let few = wait_together(&lock, &tree, 1_000).await;
    let many = wait_together(&lock, &tree, 10_000).await;
    assert!(many.bytes / 10_000 < 4 << 10, "{many:?}");
    assert!(many.count / 10_000 < 20 && many.count < few.count * 11, "{few:?} {many:?}");
    assert_clean(&tree).await;
}

//! What was derived from an original is good until the original is replaced: in memory, in flights, across instances.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use mortar_actors::cache::{CacheHandle, CacheSettings, CacheStats};
use mortar_actors::epoch::{Epoch, EpochSettings, Epochs, SharedEpochs, Verdict};
use mortar_actors::fakes::{FakeEpochs, FakeSharedCache, Gauge, Script, assert_clean, eventually, rendition};
use mortar_actors::lock::{Errand, LockHandle, LockSettings, LockStats};
use mortar_actors::{Deadline, Detail, Fault, FaultKind, Key, OriginalId, Originals, Tree};
use tokio::sync::Notify;

const HOUR: Duration = Duration::from_secs(3600);

/// One instance.
struct Scene {
    tree: Tree,
    epochs: Epochs,
    cache: CacheHandle,
    shared_cache: Arc<FakeSharedCache>,
    lock: LockHandle<u64>,
    runs: Gauge,
    go: Arc<Notify>,
}

impl Scene {
    async fn alone() -> Self {
        tokio::time::pause();
        Self::set(None).await
    }

    /// One of several instances; their time is paused by the test.
    async fn sharing(marks: &Arc<FakeEpochs>) -> Self {
        Self::set(Some(Arc::clone(marks) as Arc<dyn SharedEpochs>)).await
    }

    async fn set(marks: Option<Arc<dyn SharedEpochs>>) -> Self {
        let epochs = Epochs::new(EpochSettings::default(), marks);
        let shared_cache = FakeSharedCache::new();
        let mut builder = Tree::builder(Arbiter::current()).epochs(epochs.clone());
        let cache = builder.cache(CacheSettings::default(), Some(Arc::clone(&shared_cache) as _));
        let lock = builder.lock(LockSettings::default(), None);
        let tree = builder.start().await.unwrap();
        Self { tree, epochs, cache, shared_cache, lock, runs: Gauge::default(), go: Arc::default() }
    }

    fn insert(&self, key: &Key, epoch: &Epoch) {
        drop(self.cache.insert(key.clone(), rendition("picture"), HOUR, epoch));
    }

    /// Puts a result into memory that is read and kept in one moment.
    fn keep(&self, key: &Key) {
        self.insert(key, &self.epochs.enter(key));
    }

    fn stats(&self) -> CacheStats {
        match self.tree.stats().child("cache").unwrap().detail.clone() {
            Some(Detail::Cache(stats)) => stats,
            other => panic!("the cache tells {other:?}"),
        }
    }

    fn lock_stats(&self) -> LockStats {
        match self.tree.stats().child("lock").unwrap().detail.clone() {
            Some(Detail::Lock(stats)) => stats,
            other => panic!("the lock tells {other:?}"),
        }
    }

    /// Joins a flight that gives the number of its run, once told to go on.
    async fn join(&self, key: &Key) -> Result<u64, Fault> {
        let (runs, go) = (self.runs.clone(), Arc::clone(&self.go));
        let errand = Errand::new(move |_| {
            runs.increment();
            let (run, go) = (runs.get() as u64, Arc::clone(&go));
            async move {
                go.notified().await;
                Ok(run)
            }
        });
        self.lock.join(key, soon(), errand).await
    }
}

fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(10))
}

/// A result of an original of the bucket `media`.
fn result(of: &str, name: &str) -> Key {
    Key::new(format!("{name} of {of}")).of(id(of))
}

fn id(of: &str) -> OriginalId {
    OriginalId::new(format!("media/{of}"))
}

fn one(of: &str) -> Originals {
    Originals::One(id(of))
}

#[actix::test]
async fn what_is_in_memory_goes_with_its_original_and_nothing_else_does() {
    let scene = Scene::alone().await;
    let keys = [result("a.jpg", "small"), result("a.jpg", "large"), result("b.jpg", "small"), Key::new("placeholder")];
    keys.iter().for_each(|key| scene.keep(key));
    scene.epochs.end_here(&one("a.jpg"));
    assert_eq!(keys.each_ref().map(|key| scene.cache.peek(key).is_some()), [false, false, true, true]);
    assert_eq!((scene.stats().entries, scene.stats().replaced), (2, 2), "the memory is given back at once");
    scene.keep(&keys[0]);
    assert!(scene.cache.peek(&keys[0]).is_some());
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_part_of_a_bucket_goes_at_once() {
    let scene = Scene::alone().await;
    let keys = ["dir/a", "dir/b", "direction", "c"].map(|original| result(original, "small"));
    keys.iter().for_each(|key| scene.keep(key));
    scene.epochs.end_here(&Originals::Beginning("media/dir/".into()));
    assert_eq!(keys.each_ref().map(|key| scene.cache.peek(key).is_some()), [false, false, true, true]);
    scene.epochs.end_here(&Originals::Beginning("media/".into()));
    assert_eq!((scene.stats().entries, scene.epochs.live()), (0, 0));
}

#[actix::test]
async fn what_was_read_before_is_not_kept_after() {
    let scene = Scene::alone().await;
    let key = result("a.jpg", "small");
    let old = scene.epochs.enter(&key);
    scene.epochs.end_here(&one("a.jpg"));
    scene.insert(&key, &old);
    assert!(scene.cache.peek(&key).is_none());
    scene.keep(&key);
    scene.insert(&key, &old);
    assert!(scene.cache.peek(&key).is_some(), "and it does not push out what is newer");
    eventually("the newer one is shared", || scene.shared_cache.entry(&key).is_some()).await;
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn epochs_are_no_more_than_what_is_under_them() {
    let scene = Scene::alone().await;
    for number in 0..1000 {
        let key = result(&format!("{number}"), "small");
        drop(scene.epochs.enter(&key));
        drop(scene.cache.insert(key.clone(), rendition("picture"), HOUR, &scene.epochs.enter(&key)));
        scene.cache.remove(&key, soon()).await;
    }
    eventually("all writes are over", || scene.epochs.live() == 0).await;
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn whoever_asks_after_a_replacement_does_not_join_the_flight_of_before() {
    let scene = Scene::alone().await;
    let key = result("a.jpg", "small");
    let mut before = Box::pin(scene.join(&key));
    assert!(futures::poll!(&mut before).is_pending());
    eventually("it flies", || scene.runs.get() == 1).await;
    scene.epochs.end_here(&one("a.jpg"));
    let mut after = Box::pin(scene.join(&key));
    let mut beside = Box::pin(scene.join(&key));
    assert!(futures::poll!(&mut after).is_pending() && futures::poll!(&mut beside).is_pending());
    eventually("another one flies", || scene.runs.get() == 2).await;
    scene.go.notify_waiters();
    assert_eq!((before.await.unwrap(), after.await.unwrap(), beside.await.unwrap()), (1, 2, 2));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn while_an_original_is_closed_results_are_shared_in_memory_and_kept_nowhere_else() {
    let scene = Scene::alone().await;
    let key = result("a.jpg", "small");
    let closed = scene.epochs.close(one("a.jpg"), soon()).await;
    let meanwhile = scene.epochs.enter(&key);
    assert!(meanwhile.commit().is_none() && !meanwhile.is_over());
    scene.insert(&key, &meanwhile);
    assert!(scene.cache.peek(&key).is_some());
    assert!(closed.reopen().await);
    assert!(scene.cache.peek(&key).is_none() && meanwhile.is_over());
    assert!(scene.epochs.enter(&key).commit().is_some());
    assert_eq!(scene.shared_cache.operations.get(), 0);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn closing_that_is_given_up_reopens() {
    let scene = Scene::alone().await;
    let key = result("a.jpg", "small");
    let epoch = scene.epochs.enter(&key);
    let commit = epoch.commit().unwrap();
    let mut closing = Box::pin(scene.epochs.close(one("a.jpg"), soon()));
    assert!(futures::poll!(&mut closing).is_pending(), "something is being written");
    assert!(scene.epochs.enter(&key).commit().is_none());
    drop(closing);
    drop(commit);
    assert!(scene.epochs.enter(&key).commit().is_some());
}

#[actix::test]
async fn a_write_that_does_not_end_holds_a_replacement_up_no_longer_than_its_deadline() {
    let scene = Scene::alone().await;
    let epoch = scene.epochs.enter(&result("a.jpg", "small"));
    let commit = epoch.commit().unwrap();
    let closed = scene.epochs.close(one("a.jpg"), soon()).await;
    assert!(!closed.settled);
    assert_eq!(commit.verdict().await, Verdict::Outdated, "the writer sees for itself");
}

#[actix::test]
async fn another_instance_that_missed_a_replacement_learns_it_from_its_next_flight() {
    tokio::time::pause();
    let marks = FakeEpochs::new();
    let (here, there) = (Scene::sharing(&marks).await, Scene::sharing(&marks).await);
    let (seen, unseen) = (result("a.jpg", "small"), result("a.jpg", "large"));
    let epoch = there.epochs.learn_mark(there.epochs.enter(&seen), &seen).await;
    there.insert(&seen, &epoch);
    let commit = epoch.commit().unwrap();
    assert_eq!(commit.verdict().await, Verdict::Stands);

    let closed = here.epochs.close(one("a.jpg"), soon()).await;
    assert_eq!(closed.token, Some(FakeEpochs::token(1)));
    assert!(closed.reopen().await);
    assert_eq!(commit.verdict().await, Verdict::Outdated, "a write that ends now is seen to be old");
    assert!(there.cache.peek(&seen).is_some(), "nobody told it");
    there.go.notify_one();
    there.join(&unseen).await.unwrap();
    assert!(there.cache.peek(&seen).is_none() && epoch.is_over());
    assert_eq!(there.epochs.enter(&seen).mark(), None, "nothing is under the epoch of the flight any more");
}

/// The flight that learns of a missed replacement reads the new original, so it is one for those who ask later.
///
/// Red when a flight stays under the epoch that it began under: without `self.epoch.store` in `Flight::work`
/// (`actors/src/lock/flight.rs`).
#[actix::test]
async fn a_flight_that_learns_of_a_missed_replacement_takes_on_those_who_ask_later() {
    tokio::time::pause();
    let marks = FakeEpochs::new();
    let there = Scene::sharing(&marks).await;
    let (seen, wanted) = (result("a.jpg", "small"), result("a.jpg", "large"));
    let epoch = there.epochs.learn_mark(there.epochs.enter(&seen), &seen).await;
    marks.end_elsewhere(&one("a.jpg"));
    let (first, second) = tokio::join!(there.join(&wanted), async {
        eventually("it is under way", || there.runs.get() == 1).await;
        assert!(epoch.is_over(), "it has learnt of it");
        let (second, ()) = tokio::join!(there.join(&wanted), async {
            eventually("both wait", || there.lock_stats().waiters == 2).await;
            there.go.notify_one();
        });
        second
    });
    assert_eq!((first.unwrap(), second.unwrap(), there.runs.get()), (1, 1, 1));
    assert_clean(&there.tree).await;
}

#[actix::test]
async fn a_replaced_part_of_a_bucket_is_known_by_its_mark_too() {
    tokio::time::pause();
    let marks = FakeEpochs::new();
    let (here, there) = (Scene::sharing(&marks).await, Scene::sharing(&marks).await);
    let key = result("dir/a.jpg", "small");
    let epoch = there.epochs.learn_mark(there.epochs.enter(&key), &key).await;
    let commit = epoch.commit().unwrap();
    here.epochs.close(Originals::Beginning("media/dir/".into()), soon()).await.reopen().await;
    assert_eq!(commit.verdict().await, Verdict::Outdated);
    let fresh = there.epochs.learn_mark(there.epochs.enter(&key), &key).await;
    assert!(fresh.mark().unwrap().has(FakeEpochs::token(1)) && epoch.is_over() && !fresh.is_over());
}

#[actix::test]
async fn without_the_shared_marks_an_instance_knows_of_its_own_replacements() {
    tokio::time::pause();
    for failure in [Script::Fails(Fault::new(FaultKind::Upstream, "down")), Script::Hangs, Script::Panics] {
        let marks = FakeEpochs::new();
        let scene = Scene::sharing(&marks).await;
        marks.script(failure);
        let key = result("a.jpg", "small");
        let epoch = scene.epochs.learn_mark(scene.epochs.enter(&key), &key).await;
        assert_eq!(epoch.mark(), None);
        scene.insert(&key, &epoch);
        let commit = epoch.commit().unwrap();
        assert_eq!(commit.verdict().await, Verdict::Unknown);
        let doubt = commit.in_doubt();
        let closed = scene.epochs.close(one("a.jpg"), soon()).await;
        assert_eq!((closed.token, closed.settled), (None, true));
        assert!(!closed.reopen().await, "it tells that others do not know");
        assert_eq!(doubt.verdict().await, Verdict::Outdated);
        assert!(scene.cache.peek(&key).is_none());
        assert!(scene.shared_cache.entry(&key).is_none(), "what has no mark is not shared");
    }
}

//! Identical requests make one run, whoever leaves and whatever crashes.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use futures::future::join_all;
use mortar_actors::fakes::{Crash, FakeLease, Gauge, Script, assert_clean, eventually};
use mortar_actors::lock::{Errand, Lease, LockHandle, LockSettings, LockStats};
use mortar_actors::{Deadline, Detail, Fault, FaultKind, Key, Tree};
use tokio::sync::Notify;

struct Scene {
    tree: Tree,
    lock: LockHandle<u64>,
    runs: Gauge,
    /// Works alive: begun and neither ended nor dropped.
    alive: Gauge,
    go: Arc<Notify>,
}

impl Scene {
    async fn set(settings: LockSettings, lease: Option<Arc<dyn Lease>>) -> Self {
        tokio::time::pause();
        let mut builder = Tree::builder(Arbiter::current());
        let lock = builder.lock(settings, lease);
        let tree = builder.start().await.unwrap();
        Self { tree, lock, runs: Gauge::default(), alive: Gauge::default(), go: Arc::default() }
    }

    async fn plain() -> Self {
        Self::set(LockSettings::default(), None).await
    }

    /// Gives the number of its run, once told to go on.
    fn errand(&self) -> Errand<u64> {
        let (runs, alive, go) = (self.runs.clone(), self.alive.clone(), Arc::clone(&self.go));
        Errand::new(move |_| {
            runs.increment();
            let (run, alive, go) = (runs.get() as u64, alive.count(), Arc::clone(&go));
            async move {
                go.notified().await;
                drop(alive);
                Ok(run)
            }
        })
    }

    async fn join(&self, key: &str) -> Result<u64, Fault> {
        self.lock.join(&Key::new(key), within_ten_seconds(), self.errand()).await
    }

    fn stats(&self) -> LockStats {
        match self.tree.stats().child("lock").unwrap().detail.clone() {
            Some(Detail::Lock(stats)) => stats,
            other => panic!("the lock tells {other:?}"),
        }
    }

    async fn waiters(&self, waiters: usize) {
        eventually("everyone waits", || self.stats().waiters == waiters).await;
    }
}

fn within_ten_seconds() -> Deadline {
    Deadline::within(Duration::from_secs(10))
}

#[actix::test]
async fn a_thousand_joiners_make_one_run() {
    let scene = Scene::plain().await;
    let (answers, ()) = tokio::join!(join_all((0..1000).map(|_| scene.join("a"))), async {
        scene.waiters(1000).await;
        scene.go.notify_one();
    });
    assert!(answers.into_iter().all(|answer| answer.unwrap() == 1));
    assert_eq!((scene.runs.get(), scene.stats().started, scene.stats().joined), (1, 1, 999));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn different_keys_do_not_wait_for_each_other() {
    let scene = Scene::plain().await;
    let (a, b, ()) = tokio::join!(scene.join("a"), scene.join("b"), async {
        eventually("both fly", || scene.stats().live == 2).await;
        scene.go.notify_waiters();
    });
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(scene.runs.get(), 2);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn the_first_requester_leaves_and_the_others_are_answered_by_the_same_run() {
    let scene = Scene::plain().await;
    let mut first = Box::pin(scene.join("a"));
    assert!(futures::poll!(&mut first).is_pending());
    eventually("it flies", || scene.runs.get() == 1).await;
    assert!(futures::poll!(&mut first).is_pending());
    let (answers, ()) = tokio::join!(join_all((0..999).map(|_| scene.join("a"))), async {
        scene.waiters(1000).await;
        drop(first);
        scene.waiters(999).await;
        scene.go.notify_one();
    });
    assert!(answers.into_iter().all(|answer| answer.unwrap() == 1));
    assert_eq!(scene.runs.get(), 1);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn the_lock_actor_crashes_in_between_and_there_is_still_one_run() {
    let scene = Scene::plain().await;
    let (before, after) = tokio::join!(join_all((0..500).map(|_| scene.join("a"))), async {
        scene.waiters(500).await;
        scene.lock.crash();
        eventually("it crashed", || scene.tree.stats().child("lock").unwrap().restarts == 1).await;
        let (after, ()) = tokio::join!(join_all((0..500).map(|_| scene.join("a"))), async {
            // The paused clock goes on only while everyone sleeps: here, for the backoff.
            tokio::time::sleep(Duration::from_secs(1)).await;
            scene.waiters(1000).await;
            scene.go.notify_one();
        });
        after
    });
    assert!(before.into_iter().chain(after).all(|answer| answer.unwrap() == 1));
    assert_eq!((scene.runs.get(), scene.stats().started), (1, 1));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn the_last_waiter_that_leaves_ends_the_flight() {
    let scene = Scene::plain().await;
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(scene.join("a"))).collect();
    for join in &mut waiting {
        assert!(futures::poll!(join).is_pending());
    }
    scene.waiters(3).await;
    for join in &mut waiting {
        assert!(futures::poll!(join).is_pending(), "each takes its seat");
    }
    waiting.truncate(1);
    scene.waiters(1).await;
    assert_eq!(scene.alive.get(), 1, "one still waits");
    waiting.clear();
    eventually("the work is dropped", || scene.alive.get() == 0).await;
    assert_clean(&scene.tree).await;
    assert_eq!(scene.stats().abandoned, 1);

    let (answer, ()) = tokio::join!(scene.join("a"), async {
        scene.waiters(1).await;
        scene.go.notify_one();
    });
    assert_eq!(answer.unwrap(), 2, "who comes later starts anew");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_waiters_deadline_ends_its_wait_and_not_the_flight() {
    let scene = Scene::plain().await;
    let key = Key::new("a");
    let (patient, ()) = tokio::join!(scene.join("a"), async {
        scene.waiters(1).await;
        let hasty = scene.lock.join(&key, Deadline::within(Duration::from_secs(1)), scene.errand()).await;
        assert_eq!(hasty.unwrap_err().kind(), FaultKind::TimedOut);
        scene.go.notify_one();
    });
    assert_eq!(patient.unwrap(), 1);
    assert_eq!(scene.runs.get(), 1);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_flight_ends_at_its_own_deadline() {
    let settings = LockSettings { flight_timeout: Duration::from_secs(2), ..LockSettings::default() };
    let scene = Scene::set(settings, None).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(scene.join("a").await.unwrap_err().kind(), FaultKind::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(scene.alive.get(), 0);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_panic_is_told_to_everyone_who_then_join_once_more() {
    let scene = Scene::plain().await;
    let runs = scene.runs.clone();
    let errand = Errand::new(move |_| {
        runs.increment();
        let run = runs.get() as u64;
        async move {
            tokio::task::yield_now().await;
            assert!(run > 1, "a scripted panic");
            Ok(run)
        }
    });
    let key = Key::new("a");
    let joins = (0..100).map(|_| scene.lock.join(&key, within_ten_seconds(), errand.clone()));
    assert!(join_all(joins).await.into_iter().all(|answer| answer.unwrap() == 2));
    assert_eq!(scene.runs.get(), 2);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_second_panic_is_the_answer() {
    let scene = Scene::plain().await;
    let runs = scene.runs.clone();
    let errand = Errand::new(move |_| {
        runs.increment();
        async { panic!("a scripted panic") }
    });
    let key = Key::new("a");
    let answer = scene.lock.join(&key, within_ten_seconds(), errand).await;
    assert_eq!(answer.unwrap_err().kind(), FaultKind::Panicked);
    assert_eq!(scene.runs.get(), 2);
    assert!(scene.tree.readiness().ready, "flights are not the actor's fault");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn an_error_is_shared_and_not_tried_again() {
    let scene = Scene::plain().await;
    let runs = scene.runs.clone();
    let errand = Errand::new(move |_| {
        runs.increment();
        async { Err(Fault::new(FaultKind::Upstream, "the store is down")) }
    });
    let key = Key::new("a");
    let joins = (0..100).map(|_| scene.lock.join(&key, within_ten_seconds(), errand.clone()));
    for answer in join_all(joins).await {
        assert_eq!(answer.unwrap_err().kind(), FaultKind::Upstream);
    }
    assert_eq!(scene.runs.get(), 1);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn flights_and_waiters_are_bounded() {
    let settings = LockSettings { max_flights: 1, max_waiters_per_key: 2, ..LockSettings::default() };
    let scene = Scene::set(settings, None).await;
    let (first, second, ()) = tokio::join!(scene.join("a"), scene.join("a"), async {
        scene.waiters(2).await;
        assert_eq!(scene.join("a").await.unwrap_err().kind(), FaultKind::Overloaded);
        assert_eq!(scene.join("b").await.unwrap_err().kind(), FaultKind::Overloaded);
        scene.go.notify_one();
    });
    assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
    assert_clean(&scene.tree).await;
}

/// Red when the last seat that is given up does not end the flight: without the `Drop` of `Seat`
/// (`actors/src/lock/flight.rs`).
#[actix::test]
async fn fault_21_ten_thousand_waits_that_are_given_up_leave_nothing_behind() {
    let scene = Scene::plain().await;
    for round in 0..10_000 {
        let mut join = Box::pin(scene.join("a"));
        for _ in 0..round % 4 {
            drop(futures::poll!(&mut join));
            tokio::task::yield_now().await;
        }
    }
    assert_clean(&scene.tree).await;
    assert_eq!(scene.alive.get(), 0);
}

#[actix::test]
async fn a_lease_is_held_renewed_and_given_back() {
    let lease = FakeLease::new();
    let scene = Scene::set(LockSettings::default(), Some(lease.clone())).await;
    let key = Key::new("a");
    let (answer, ()) = tokio::join!(scene.join("a"), async {
        eventually("it flies", || scene.runs.get() == 1).await;
        assert!(lease.is_held(&key));
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(lease.renewals.get(), 1, "at a third of six seconds");
        scene.go.notify_one();
    });
    assert_eq!(answer.unwrap(), 1);
    eventually("it is given back", || !lease.is_held(&key)).await;
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn while_another_instance_works_the_flight_waits_and_takes_what_that_one_made() {
    let lease = FakeLease::new();
    let scene = Scene::set(LockSettings::default(), Some(lease.clone())).await;
    let key = Key::new("a");
    lease.take_elsewhere(&key);
    let made = Gauge::default();
    let found = made.clone();
    let errand = scene.errand().looking(move |_| {
        let found = found.get();
        async move { (found > 0).then_some(42) }
    });
    let (answer, ()) = tokio::join!(scene.lock.join(&key, within_ten_seconds(), errand), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        made.increment();
        lease.release_elsewhere(&key);
    });
    assert_eq!((answer.unwrap(), scene.runs.get()), (42, 0));
    assert_eq!(scene.stats().answered_elsewhere, 1);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_holder_that_dies_without_a_result_is_succeeded() {
    let lease = FakeLease::new();
    let scene = Scene::set(LockSettings::default(), Some(lease.clone())).await;
    let key = Key::new("a");
    lease.take_elsewhere(&key);
    scene.go.notify_one();
    let (answer, ()) = tokio::join!(scene.join("a"), async {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        lease.release_elsewhere(&key);
    });
    assert_eq!((answer.unwrap(), scene.runs.get()), (1, 1));
    assert_clean(&scene.tree).await;
}

/// An errand that is published when told to, and counts what was published.
fn published_when_told(scene: &Scene, published: &Gauge, told: &Arc<Notify>) -> Errand<u64> {
    let (published, told) = (published.clone(), Arc::clone(told));
    scene.errand().publishing(move |_, _| {
        published.increment();
        let told = Arc::clone(&told);
        async move { told.notified().await }
    })
}

#[actix::test]
async fn the_lease_is_given_back_once_others_can_find_the_result_and_nobody_waits_for_that() {
    let lease = FakeLease::new();
    let scene = Scene::set(LockSettings::default(), Some(lease.clone())).await;
    let (key, published, told) = (Key::new("a"), Gauge::default(), Arc::<Notify>::default());
    scene.go.notify_one();
    let errand = published_when_told(&scene, &published, &told);
    assert_eq!(scene.lock.join(&key, within_ten_seconds(), errand).await.unwrap(), 1);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!((published.get(), lease.is_held(&key), lease.renewals.get()), (1, true, 1));
    told.notify_one();
    eventually("it is given back", || !lease.is_held(&key)).await;
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_publication_that_hangs_holds_the_lease_for_its_time_to_live_and_no_longer() {
    let lease = FakeLease::new();
    let scene = Scene::set(LockSettings::default(), Some(lease.clone())).await;
    let (key, published) = (Key::new("a"), Gauge::default());
    scene.go.notify_one();
    let errand = published_when_told(&scene, &published, &Arc::default());
    assert_eq!(scene.lock.join(&key, within_ten_seconds(), errand).await.unwrap(), 1);
    tokio::time::sleep(Duration::from_secs(7)).await;
    eventually("it is given back", || !lease.is_held(&key)).await;
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_flight_that_lost_its_lease_is_answered_and_publishes_nothing() {
    let lease = FakeLease::new();
    let scene = Scene::set(LockSettings::default(), Some(lease.clone())).await;
    let (key, published) = (Key::new("a"), Gauge::default());
    let errand = published_when_told(&scene, &published, &Arc::default());
    let (answer, ()) = tokio::join!(scene.lock.join(&key, within_ten_seconds(), errand), async {
        eventually("it flies", || scene.runs.get() == 1).await;
        lease.take_elsewhere(&key);
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        scene.go.notify_one();
    });
    assert_eq!((answer.unwrap(), published.get(), scene.stats().leases_lost), (1, 0, 1));
    assert!(lease.is_held(&key), "the successor keeps it");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_flight_that_could_not_renew_for_as_long_as_its_lease_lives_publishes_nothing() {
    let lease = FakeLease::new();
    let scene = Scene::set(LockSettings::default(), Some(lease.clone())).await;
    let (key, published) = (Key::new("a"), Gauge::default());
    let errand = published_when_told(&scene, &published, &Arc::default());
    let (answer, ()) = tokio::join!(scene.lock.join(&key, within_ten_seconds(), errand), async {
        eventually("it flies", || scene.runs.get() == 1).await;
        lease.script(Script::Hangs);
        tokio::time::sleep(Duration::from_millis(6_500)).await;
        scene.go.notify_one();
    });
    assert_eq!((answer.unwrap(), published.get(), scene.stats().leases_lost), (1, 0, 1));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_lease_that_fails_again_and_again_is_given_a_rest_and_results_are_published_all_the_same() {
    let lease = FakeLease::new();
    lease.script(Script::Fails(Fault::new(FaultKind::Upstream, "down")));
    let scene = Scene::set(LockSettings::default(), Some(lease.clone())).await;
    let published = Gauge::default();
    for flight in 0..8 {
        scene.go.notify_one();
        let errand = published_when_told(&scene, &published, &Arc::default());
        scene.lock.join(&Key::new(format!("{flight}")), within_ten_seconds(), errand).await.unwrap();
    }
    assert_eq!((lease.claims.get(), published.get()), (5, 8));
    assert!(scene.stats().lease_resting);
    lease.script(Script::Works);
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.go.notify_one();
    scene.join("a").await.unwrap();
    assert_eq!((lease.claims.get(), scene.stats().lease_resting), (6, false));
    assert_clean(&scene.tree).await;
}

async fn flies_alone_when_its_lease(script: Script) {
    let lease = FakeLease::new();
    lease.script(script);
    let scene = Scene::set(LockSettings::default(), Some(lease.clone())).await;
    scene.go.notify_one();
    assert_eq!(scene.join("a").await.unwrap(), 1);
    assert_eq!((lease.claims.get(), scene.stats().lease_faults), (1, 1));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_lease_that_fails_never_fails_the_flight() {
    flies_alone_when_its_lease(Script::Fails(Fault::new(FaultKind::Upstream, "down"))).await;
}

#[actix::test]
async fn a_lease_that_hangs_never_fails_the_flight() {
    flies_alone_when_its_lease(Script::Hangs).await;
}

#[actix::test]
async fn a_lease_that_panics_never_fails_the_flight() {
    flies_alone_when_its_lease(Script::Panics).await;
}

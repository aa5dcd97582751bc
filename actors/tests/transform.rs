//! Renders are admitted by count and memory, stop when nobody waits, and survive their own panics.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use actix::Arbiter;
use bytes::Bytes;
use futures::future::join_all;
use mortar_actors::fakes::{Crash, FakeEngine, FakeJob, Gauge, RenderScript, Stages, assert_clean, eventually};
use mortar_actors::transform::{TransformHandle, TransformSettings, TransformStats};
use mortar_actors::{Deadline, Detail, Fault, FaultKind, Key, Owner, Tree};

struct Scene {
    tree: Tree,
    transform: TransformHandle<FakeEngine>,
    engine: FakeEngine,
}

impl Scene {
    async fn set(settings: TransformSettings) -> Self {
        tokio::time::pause();
        let engine = FakeEngine::default();
        let mut builder = Tree::builder(Arbiter::current());
        let transform = builder.transform(settings, engine.factory());
        let tree = builder.start().await.unwrap();
        Self { tree, transform, engine }
    }

    /// One render running, two queued.
    async fn small() -> Self {
        Self::set(TransformSettings { running: 1, queued: 2, ..TransformSettings::default() }).await
    }

    async fn render(&self, key: &str, job: FakeJob) -> Result<Bytes, Fault> {
        self.render_for("one", key, job).await
    }

    async fn render_for(&self, owner: &str, key: &str, job: FakeJob) -> Result<Bytes, Fault> {
        self.transform.render(&Key::new(key), &Owner::new(owner), job, Deadline::within(Duration::from_secs(60))).await
    }

    fn stats(&self) -> TransformStats {
        match self.tree.stats().child("transform").unwrap().detail.clone() {
            Some(Detail::Transform(stats)) => stats,
            other => panic!("transform tells {other:?}"),
        }
    }

    fn held(&self, gate: &str) -> u64 {
        self.tree.stats().child("transform").unwrap().gates.iter().find(|stats| stats.name == gate).unwrap().held
    }

    async fn running(&self, renders: usize) {
        eventually("it renders", || self.engine.running.get() == renders).await;
    }
}

fn gives(body: &'static str) -> FakeJob {
    FakeJob::new(RenderScript::Gives(Bytes::from_static(body.as_bytes())))
}

fn in_stages(stages: &Stages) -> FakeJob {
    FakeJob::new(RenderScript::InStages(stages.clone()))
}

#[actix::test]
async fn a_render_is_answered_with_its_output() {
    let scene = Scene::small().await;
    assert_eq!(scene.render("a", gives("picture")).await.unwrap(), "picture");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn an_estimate_that_takes_long_holds_up_nobody_else() {
    let scene = Scene::small().await;
    let stages = Stages::of(1);
    let long = FakeJob::new(RenderScript::EstimatesInStages(stages.clone()));
    let (answer, ()) = tokio::join!(scene.render("a", long), async {
        assert_eq!(scene.render("b", gives("picture")).await.unwrap(), "picture");
        stages.finish();
    });
    assert_eq!(answer.unwrap(), "");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn what_neither_runs_nor_queues_is_refused_at_once_and_makes_the_tree_not_ready() {
    let scene = Scene::small().await;
    let stages = Stages::of(1);
    let (answers, ()) = tokio::join!(join_all((0..1000).map(|_| scene.render("a", in_stages(&stages)))), async {
        scene.running(1).await;
        let stats = scene.stats();
        assert_eq!((stats.running, stats.queued), (1, 2));
        assert_eq!(scene.tree.readiness().reasons, ["transform is saturated"]);
        let refused = || scene.tree.stats().child("transform").unwrap().counts.refused;
        let before = refused();
        let refusal = scene.transform.announce(&Owner::new("one")).map(drop).unwrap_err();
        assert_eq!(refusal.kind(), FaultKind::Overloaded, "before anything is fetched");
        assert_eq!(refused(), before + 1);
        stages.finish();
    });
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 997);
    assert!(refused.iter().all(|fault| fault.kind() == FaultKind::Overloaded && fault.wait_before_retry().is_some()));
    assert_clean(&scene.tree).await;
    assert!(scene.tree.readiness().ready);
}

#[actix::test]
async fn a_requester_that_leaves_the_queue_frees_its_job_at_once_and_it_is_not_begun() {
    let scene = Scene::small().await;
    let (stages, payloads) = (Stages::of(1), Gauge::default());
    let (first, ()) = tokio::join!(scene.render("a", in_stages(&stages)), async {
        scene.running(1).await;
        let job = FakeJob { payload: Some(payloads.count()), ..gives("never") };
        {
            let render = scene.render("b", job);
            futures::pin_mut!(render);
            assert!(futures::poll!(&mut render).is_pending());
            eventually("it is queued", || scene.stats().queued == 1).await;
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert_eq!(payloads.get(), 1);
        }
        eventually("the job is freed while the other runs", || payloads.get() == 0).await;
        eventually("so is its place", || scene.stats().queued == 0).await;
        assert_eq!(scene.engine.begun.get(), 1);
        stages.finish();
    });
    first.unwrap();
    assert_clean(&scene.tree).await;
    assert_eq!(scene.engine.begun.get(), 1);
}

#[actix::test]
async fn a_render_under_way_stops_at_its_next_stage_when_its_requester_leaves() {
    let scene = Scene::small().await;
    let stages = Stages::of(100);
    {
        let render = scene.render("a", in_stages(&stages));
        futures::pin_mut!(render);
        assert!(futures::poll!(&mut render).is_pending());
        scene.running(1).await;
    }
    assert_eq!(scene.stats().running, 1, "it is within its first stage and holds its slot");
    stages.next();
    assert_clean(&scene.tree).await;
    assert_eq!(scene.engine.stopped.get(), 1);
    assert_eq!(scene.tree.stats().child("transform").unwrap().counts.cancelled, 1);
}

#[actix::test]
async fn a_render_stops_at_its_next_stage_when_its_deadline_has_passed() {
    let scene = Scene::small().await;
    let stages = Stages::of(100);
    let (answer, ()) = tokio::join!(scene.render("a", in_stages(&stages)), async {
        scene.running(1).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        stages.next();
    });
    assert_eq!(answer.unwrap_err().kind(), FaultKind::TimedOut);
    assert_clean(&scene.tree).await;
    assert_eq!(scene.engine.stopped.get(), 1);
}

#[actix::test]
async fn memory_is_admitted_by_estimate() {
    let settings = TransformSettings { running: 4, queued: 4, memory_bytes: 10 << 20, ..TransformSettings::default() };
    let scene = Scene::set(settings).await;
    let stages = Stages::of(1);
    let large = || FakeJob { memory_bytes: 6 << 20, ..in_stages(&stages) };
    let (first, second, ()) = tokio::join!(scene.render("a", large()), scene.render("b", large()), async {
        scene.running(1).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((scene.engine.begun.get(), scene.stats().memory_bytes), (1, 6 << 20));
        stages.finish();
    });
    assert!(first.is_ok() && second.is_ok());

    let giant = FakeJob { memory_bytes: 11 << 20, ..gives("never") };
    assert_eq!(scene.render("c", giant).await.unwrap_err().kind(), FaultKind::TooLarge);
    assert_clean(&scene.tree).await;
}

/// Red when a render takes its turn before it waits for memory: in `Render::admit`, `memory.enter` for all of it behind a
/// turn that large renders get without `Turnstile::fits` (`actors/src/transform/turnstile.rs`).
#[actix::test]
async fn small_renders_never_wait_behind_large_ones_for_memory() {
    let settings = TransformSettings { running: 2, queued: 8, memory_bytes: 10 << 20, ..TransformSettings::default() };
    let scene = Scene::set(settings).await;
    let stages = Stages::of(1_000);
    let large = || FakeJob { memory_bytes: 6 << 20, work: u64::MAX, ..in_stages(&stages) };
    let flood: Vec<_> = (0..4).map(|each| wanted(&scene, &format!("{each}"), "one", large())).collect();
    eventually("one runs and three wait", || scene.engine.running.get() == 1 && scene.stats().queued == 3).await;
    for each in 0..10 {
        let small = FakeJob { memory_bytes: 4 << 20, ..gives("picture") };
        assert_eq!(scene.render(&format!("small {each}"), small).await.unwrap(), "picture");
        assert_eq!((scene.stats().running, scene.stats().memory_bytes), (1, 6 << 20), "who waits holds nothing");
    }
    stages.finish();
    assert!(join_all(flood).await.into_iter().all(|answer| answer.unwrap().is_ok()));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_render_that_needs_all_memory_is_made_one_day() {
    let settings =
        TransformSettings { running: 4, queued: 400, memory_bytes: 10 << 20, ..TransformSettings::default() };
    let scene = Scene::set(settings).await;
    let giant = wanted(&scene, "giant", "one", FakeJob { memory_bytes: 10 << 20, ..gives("giant") });
    let others = |each: u64| {
        let large = FakeJob { memory_bytes: 6 << 20, ..gives("large") };
        let small = FakeJob { memory_bytes: 4 << 20, ..gives("small") };
        wanted(&scene, &format!("{each}"), "one", if each.is_multiple_of(5) { large } else { small })
    };
    let others: Vec<_> = (0..200).map(others).collect();
    assert_eq!(giant.await.unwrap().unwrap(), "giant");
    assert!(join_all(others).await.into_iter().all(|answer| answer.unwrap().is_ok()));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn what_needs_more_memory_than_there_is_is_refused_without_waiting_for_a_turn() {
    let scene = Scene::small().await;
    let stages = Stages::of(1);
    let (first, ()) = tokio::join!(scene.render("a", in_stages(&stages)), async {
        scene.running(1).await;
        let giant = FakeJob { memory_bytes: u64::MAX, ..gives("never") };
        assert_eq!(scene.render("b", giant).await.unwrap_err().kind(), FaultKind::TooLarge);
        stages.finish();
    });
    first.unwrap();
    assert_clean(&scene.tree).await;
}

async fn survives_a_panic(script: RenderScript) {
    let scene = Scene::small().await;
    assert_eq!(scene.render("poison", FakeJob::new(script)).await.unwrap_err().kind(), FaultKind::Panicked);
    let begun = scene.engine.begun.get();
    eventually("the engine is being rebuilt", || scene.tree.stats().child("transform").unwrap().restarts == 1).await;

    assert_eq!(scene.render("other", gives("picture")).await.unwrap(), "picture");
    assert_eq!(scene.engine.built.get(), 2, "by a fresh engine");
    let refusal = scene.render("poison", gives("never")).await.unwrap_err();
    assert_eq!(refusal.kind(), FaultKind::Panicked);
    assert!(refusal.wait_before_retry().is_some());
    assert_eq!((scene.engine.begun.get(), scene.stats().quarantined), (begun + 1, 1), "it is not tried again");

    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(scene.render("poison", gives("healed")).await.unwrap(), "healed");
    let stats = scene.tree.stats();
    assert_eq!(stats.child("transform").unwrap().counts.panics, 1);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_panicking_render_is_answered_quarantined_and_the_engine_rebuilt() {
    survives_a_panic(RenderScript::Panics).await;
}

#[actix::test]
async fn a_panicking_estimate_is_answered_quarantined_and_the_engine_rebuilt() {
    survives_a_panic(RenderScript::PanicsInEstimate).await;
}

#[actix::test]
async fn twenty_poisonous_pictures_do_not_take_the_service_down() {
    let scene = Scene::small().await;
    for picture in 0..20 {
        let answer = scene.render(&format!("{picture}"), FakeJob::new(RenderScript::Panics)).await;
        assert_eq!(answer.unwrap_err().kind(), FaultKind::Panicked);
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    assert!(scene.tree.readiness().ready);
    assert_eq!(scene.render("other", gives("picture")).await.unwrap(), "picture");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn renders_under_way_survive_a_crash_of_the_actor() {
    let scene = Scene::small().await;
    let stages = Stages::of(1);
    let (answer, ()) = tokio::join!(scene.render("a", in_stages(&stages)), async {
        scene.running(1).await;
        scene.transform.crash();
        eventually("it crashed", || scene.tree.stats().child("transform").unwrap().restarts == 1).await;
        assert_eq!(scene.stats().running, 1, "and is still counted");
        stages.finish();
    });
    answer.unwrap();
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_render_that_never_looks_at_its_flag_is_reported_as_stuck_and_keeps_its_slot() {
    let settings = TransformSettings { running: 2, queued: 2, max_stuck: 1, ..TransformSettings::default() };
    let scene = Scene::set(settings).await;
    let stages = Stages::of(1);
    let (answer, ()) = tokio::join!(scene.render("a", FakeJob::new(RenderScript::Deaf(stages.clone()))), async {
        scene.running(1).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(scene.stats().stuck, 0);
        tokio::time::advance(Duration::from_secs(6)).await;
        eventually("it is reported", || scene.stats().stuck == 1).await;
    });
    assert_eq!(answer.unwrap_err().kind(), FaultKind::TimedOut, "the requester was not kept waiting");
    assert_eq!(scene.tree.readiness().reasons, ["transform has 1 stuck renders"]);
    assert_eq!(scene.stats().running, 1);
    stages.finish();
    assert_clean(&scene.tree).await;
    assert!(scene.tree.readiness().ready);
}

/// Starts a render for an owner and keeps it wanted until it is dropped.
fn wanted(scene: &Scene, key: &str, owner: &str, job: FakeJob) -> tokio::task::JoinHandle<Result<Bytes, Fault>> {
    let (transform, key, owner) = (scene.transform.clone(), Key::new(key), Owner::new(owner));
    tokio::spawn(async move { transform.render(&key, &owner, job, Deadline::within(Duration::from_secs(60))).await })
}

#[actix::test]
async fn large_renders_leave_a_place_and_half_of_the_queue_to_small_ones() {
    let scene = Scene::set(TransformSettings { running: 2, queued: 6, ..TransformSettings::default() }).await;
    let stages = Stages::of(1_000);
    let large = || FakeJob { work: u64::MAX, ..in_stages(&stages) };
    let flood: Vec<_> = (0..8).map(|each| wanted(&scene, &format!("{each}"), "one", large())).collect();
    eventually("half of the places are taken", || scene.stats().large_running == 2 && scene.stats().queued == 2).await;
    for each in 0..10 {
        assert_eq!(scene.render(&format!("small {each}"), gives("picture")).await.unwrap(), "picture");
    }
    stages.finish();
    let outcomes = join_all(flood).await.into_iter().map(Result::unwrap);
    let kinds: Vec<_> = outcomes.filter_map(Result::err).map(|fault| fault.kind()).collect();
    assert_eq!(kinds, [FaultKind::Overloaded; 4]);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn an_owner_that_fills_the_queue_keeps_no_other_from_its_turn() {
    let settings = TransformSettings { running: 1, queued: 5, reserved: 2, ..TransformSettings::default() };
    let scene = Scene::set(settings).await;
    let (first, others) = (Stages::of(1), Stages::of(1));
    let running = wanted(&scene, "first", "greedy", in_stages(&first));
    scene.running(1).await;
    let flood: Vec<_> = (0..20).map(|each| wanted(&scene, &format!("{each}"), "greedy", in_stages(&others))).collect();
    eventually("the queue is full", || scene.stats().queued == 5).await;
    let modest = wanted(&scene, "modest", "modest", gives("picture"));
    eventually("there is room for another all the same", || scene.stats().queued == 6).await;
    first.finish();
    // One of the flood may be before it, and waits for its stage.
    eventually("the next one runs", || scene.engine.begun.get() >= 2).await;
    others.next();
    assert_eq!(modest.await.unwrap().unwrap(), "picture");
    others.finish();
    let refused = join_all(flood).await.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_err()).count();
    assert_eq!(refused, 15);
    running.await.unwrap().unwrap();
    assert_clean(&scene.tree).await;
}

/// One owner asks for large renders only, and more than there are places for. Another owner's large ones are neither
/// refused nor made last, and some places are left to small ones.
///
/// Red when large renders are not shared out: without `large_shares.enter` in `Render::large_place`, and with
/// `half(places)` alone for the gate of large renders (`actors/src/transform`).
#[actix::test]
async fn an_owner_that_takes_all_places_of_large_renders_leaves_some_to_others() {
    let settings = TransformSettings { running: 1, queued: 7, reserved: 4, ..TransformSettings::default() };
    let scene = Scene::set(settings).await;
    let stages = Stages::of(1_000);
    let large = || FakeJob { work: u64::MAX, ..in_stages(&stages) };
    let flood: Vec<_> = (0..20).map(|each| wanted(&scene, &format!("{each}"), "greedy", large())).collect();
    let refused = || flood.iter().filter(|render| render.is_finished()).count();
    eventually("half of the places are taken", || refused() == 16 && scene.stats().running == 1).await;
    let refusal = scene.render_for("greedy", "one more", large()).await.unwrap_err();
    assert_eq!((refusal.kind(), refusal.message()), (FaultKind::Overloaded, "too many large renders at once"));
    let modest: Vec<_> = (0..2).map(|each| wanted(&scene, &format!("modest {each}"), "modest", large())).collect();
    eventually("there is room for another all the same", || scene.held("large renders") == 6).await;
    assert!(scene.render_for("third", "late", large()).await.is_err(), "the reserve is bounded");
    assert_eq!(scene.render("small", gives("picture")).await.unwrap(), "picture");
    stages.finish();
    assert!(join_all(modest).await.into_iter().all(|answer| answer.unwrap().is_ok()));
    let made = join_all(flood).await.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count();
    assert_eq!(made, 4);
    assert_clean(&scene.tree).await;
}

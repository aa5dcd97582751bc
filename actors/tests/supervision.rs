//! Panics are survived: an answer for the caller, fresh state, a counter, a budget.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::Arbiter;
use futures::future::join_all;
use mortar_actors::fakes::{Counted, Gauge, assert_clean, eventually};
use mortar_actors::{
    ActorStats, Ask, ChildState, Deadline, Door, FaultKind, Gate, Serve, State, SupervisionSettings, Ticket, Tree,
    TreeBuilder, Work,
};
use tokio::sync::Notify;

/// Counts up; its count shows whether it is a fresh one.
struct Counter {
    count: u32,
    _alive: Counted,
}

struct Add;
struct Panic;
struct PanicLater;
struct PoisonedInput;
struct WaitFor(Arc<Notify>);

impl Ask for Add {
    type Reply = u32;
}
impl Ask for Panic {
    type Reply = u32;
}
impl Ask for PanicLater {
    type Reply = u32;
}
impl Ask for PoisonedInput {
    type Reply = u32;
}
impl Ask for WaitFor {
    type Reply = u32;
}

impl State for Counter {}

impl Serve<Add> for Counter {
    fn serve(&mut self, _: Add, _: &Ticket) -> Work<u32> {
        self.count += 1;
        Work::Done(Ok(self.count))
    }
}

impl Serve<Panic> for Counter {
    fn serve(&mut self, _: Panic, _: &Ticket) -> Work<u32> {
        self.count = 1_000_000;
        panic!("a scripted panic");
    }
}

impl Serve<PanicLater> for Counter {
    fn serve(&mut self, _: PanicLater, _: &Ticket) -> Work<u32> {
        Work::later(async {
            tokio::task::yield_now().await;
            panic!("a scripted panic")
        })
    }
}

impl Serve<PoisonedInput> for Counter {
    fn serve(&mut self, _: PoisonedInput, ticket: &Ticket) -> Work<u32> {
        ticket.incident().rebuild();
        Work::Done(Ok(0))
    }
}

impl Serve<WaitFor> for Counter {
    fn serve(&mut self, ask: WaitFor, _: &Ticket) -> Work<u32> {
        Work::later(async move {
            ask.0.notified().await;
            Ok(7)
        })
    }
}

struct Stage {
    gate: Gate,
    alive: Gauge,
}

impl Stage {
    fn new() -> Self {
        Self { gate: Gate::counting("asks", 16), alive: Gauge::default() }
    }

    fn counter(&self, builder: &mut TreeBuilder) -> Door<Counter> {
        let alive = self.alive.clone();
        builder.actor("counter", vec![self.gate.clone()], move || Counter { count: 0, _alive: alive.count() })
    }
}

fn builder() -> TreeBuilder {
    tokio::time::pause();
    Tree::builder(Arbiter::current())
        .supervision(SupervisionSettings { jitter_seed: Some(1), ..SupervisionSettings::default() })
}

fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(10))
}

fn counter_of(tree: &Tree) -> ActorStats {
    tree.stats().child("counter").unwrap().clone()
}

/// Red without the fence around handlers: `self.state.serve(..)` outside of `fenced` (`actors/src/host.rs`).
#[actix::test]
async fn fault_17_a_panicking_handler_is_answered_and_the_actor_starts_fresh() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();

    assert_eq!(door.ask(&stage.gate, Add, soon()).await.unwrap(), 1);
    assert_eq!(door.ask(&stage.gate, Add, soon()).await.unwrap(), 2);
    let answer = door.ask(&stage.gate, Panic, soon()).await.unwrap_err();
    assert_eq!(answer.kind(), FaultKind::Panicked);
    assert!(!answer.message().contains("scripted"), "the panic's text is for the log");
    assert_eq!(door.ask(&stage.gate, Add, soon()).await.unwrap(), 1, "state is fresh");

    let stats = counter_of(&tree);
    assert_eq!((stats.counts.panics, stats.restarts, stats.state), (1, 1, ChildState::Running));
    assert_eq!(stage.alive.get(), 1, "the broken state is gone");
    assert!(tree.readiness().ready);
    assert_clean(&tree).await;
}

/// Red without the fence around work: `work.await` in the place of `fenced_async(work)` in `finish` (`actors/src/host.rs`).
#[actix::test]
async fn fault_17_a_panicking_task_is_answered_and_the_actor_starts_fresh() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();

    assert_eq!(door.ask(&stage.gate, Add, soon()).await.unwrap(), 1);
    assert_eq!(door.ask(&stage.gate, PanicLater, soon()).await.unwrap_err().kind(), FaultKind::Panicked);
    eventually("it is being rebuilt", || counter_of(&tree).restarts == 1).await;
    assert_eq!(door.ask(&stage.gate, Add, soon()).await.unwrap(), 1);
    assert_eq!(counter_of(&tree).counts.panics, 1);
    assert_clean(&tree).await;
}

#[actix::test]
async fn messages_that_stood_behind_the_panic_are_served_by_the_rebuilt_actor() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();

    let asks = (
        door.ask(&stage.gate, Add, soon()),
        door.ask(&stage.gate, Panic, soon()),
        door.ask(&stage.gate, Add, soon()),
        door.ask(&stage.gate, Add, soon()),
    );
    let (before, panicked, first, second) = tokio::join!(asks.0, asks.1, asks.2, asks.3);
    assert_eq!((before.unwrap(), panicked.unwrap_err().kind()), (1, FaultKind::Panicked));
    let mut counts = [first.unwrap(), second.unwrap()];
    counts.sort_unstable();
    assert_eq!(counts, [1, 2], "both, by the one fresh actor, in whatever order");
    assert_clean(&tree).await;
}

#[actix::test]
async fn those_who_wait_for_a_rebuild_are_bounded_by_the_gate() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();
    door.ask(&stage.gate, Panic, soon()).await.unwrap_err();
    eventually("it is being rebuilt", || counter_of(&tree).state == ChildState::Restarting).await;

    let answers = join_all((0..1000).map(|_| door.ask(&stage.gate, Add, soon()))).await;
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!((answers.len() - refused, refused), (16, 984));
    assert!(answers.iter().flat_map(|answer| answer.as_ref().err()).all(|fault| fault.kind() == FaultKind::Overloaded));
    assert_clean(&tree).await;
}

#[actix::test]
async fn messages_are_begun_in_the_order_of_their_asks() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();
    let asks = (0..16).map(|_| door.ask(&stage.gate, Add, soon()));
    let counts: Vec<_> = join_all(asks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(counts, (1..=16).collect::<Vec<_>>());
    assert_clean(&tree).await;
}

#[actix::test]
async fn work_under_way_survives_the_rebuild() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();

    let go = Arc::new(Notify::new());
    let (work, ()) = tokio::join!(door.ask(&stage.gate, WaitFor(Arc::clone(&go)), soon()), async {
        door.ask(&stage.gate, Panic, soon()).await.unwrap_err();
        assert_eq!(door.ask(&stage.gate, Add, soon()).await.unwrap(), 1);
        go.notify_one();
    });
    assert_eq!(work.unwrap(), 7);
    assert_clean(&tree).await;
}

#[actix::test]
async fn a_spent_restart_budget_makes_the_tree_not_ready_and_is_reported() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();

    for _ in 0..5 {
        // A ten-second wait between two panics would let the first one out of the thirty-second budget.
        assert_eq!(door.ask(&stage.gate, Panic, soon()).await.unwrap_err().kind(), FaultKind::Panicked);
        eventually("the panic is noticed", || counter_of(&tree).state == ChildState::Restarting).await;
        assert!(!tree.readiness().ready);
        while counter_of(&tree).state != ChildState::Running {
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        assert!(tree.readiness().ready);
    }
    door.ask(&stage.gate, Panic, soon()).await.unwrap_err();
    assert_eq!(tree.failed().await, "counter");

    let readiness = tree.readiness();
    assert!(!readiness.ready);
    assert_eq!(readiness.reasons, ["counter failed too often and has given up"]);
    assert_eq!(door.ask(&stage.gate, Add, soon()).await.unwrap_err().kind(), FaultKind::Restarting);
    let stats = counter_of(&tree);
    assert_eq!((stats.counts.panics, stats.restarts, stats.state), (6, 5, ChildState::GivenUp));
    assert_eq!(stage.alive.get(), 0);
    assert_clean(&tree).await;
}

#[actix::test]
async fn restarts_that_inputs_cause_are_counted_and_not_charged() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();
    for restarts in 1..=20 {
        door.ask(&stage.gate, PoisonedInput, soon()).await.unwrap();
        eventually("the rebuild is begun", || counter_of(&tree).restarts == restarts).await;
        tokio::time::advance(Duration::from_millis(51)).await;
        eventually("it is rebuilt after the shortest wait", || counter_of(&tree).state == ChildState::Running).await;
    }
    assert_eq!(door.ask(&stage.gate, Add, soon()).await.unwrap(), 1);
    assert!(tree.readiness().ready);
    assert_clean(&tree).await;
}

#[actix::test]
async fn a_factory_that_always_panics_fails_the_start_after_its_budget() {
    let mut builder = builder();
    let tries = Arc::new(AtomicUsize::new(0));
    let tried = Arc::clone(&tries);
    let _door: Door<Counter> = builder.actor("counter", Vec::new(), move || {
        tried.fetch_add(1, SeqCst);
        panic!("a scripted panic");
    });
    let fault = builder.start().await.map(|_| ()).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Internal);
    assert_eq!(tries.load(SeqCst), 6, "the first try and five restarts");
}

/// Tells when it is built and dropped.
struct Told {
    name: &'static str,
    diary: Arc<Mutex<Vec<String>>>,
}

impl Told {
    fn new(name: &'static str, diary: &Arc<Mutex<Vec<String>>>) -> Self {
        diary.lock().unwrap().push(format!("{name} up"));
        Self { name, diary: Arc::clone(diary) }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.diary.lock().unwrap().push(format!("{} down", self.name));
    }
}

impl State for Told {}

impl Serve<WaitFor> for Told {
    fn serve(&mut self, ask: WaitFor, _: &Ticket) -> Work<u32> {
        Work::later(async move {
            ask.0.notified().await;
            Ok(7)
        })
    }
}

#[actix::test]
async fn children_start_in_order_and_stop_in_reverse() {
    let mut builder = builder();
    let diary = Arc::<Mutex<Vec<String>>>::default();
    let mut doors = Vec::new();
    for name in ["first", "second", "third"] {
        let written = Arc::clone(&diary);
        doors.push(builder.actor(name, Vec::new(), move || Told::new(name, &written)));
    }
    let tree = builder.start().await.unwrap();
    assert_eq!(*diary.lock().unwrap(), ["first up", "second up", "third up"]);
    diary.lock().unwrap().clear();
    tree.stop(Duration::from_secs(1)).await;
    assert_eq!(*diary.lock().unwrap(), ["third down", "second down", "first down"]);
    assert!(!tree.readiness().ready);
    assert_clean(&tree).await;
}

#[actix::test]
async fn stopping_lets_work_under_way_end_and_refuses_new_asks() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();
    let go = Arc::new(Notify::new());
    let (work, (), ()) = tokio::join!(
        door.ask(&stage.gate, WaitFor(Arc::clone(&go)), soon()),
        tree.stop(Duration::from_secs(5)),
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(door.ask(&stage.gate, Add, soon()).await.unwrap_err().kind(), FaultKind::Restarting);
            go.notify_one();
        }
    );
    assert_eq!(work.unwrap(), 7);
    assert_eq!(counter_of(&tree).state, ChildState::Stopped);
    assert_clean(&tree).await;
}

#[actix::test]
async fn stopping_waits_no_longer_than_its_limit() {
    let (mut builder, stage) = (builder(), Stage::new());
    let door = stage.counter(&mut builder);
    let tree = builder.start().await.unwrap();
    let begun = tokio::time::Instant::now();
    let (work, ()) = tokio::join!(door.ask(&stage.gate, WaitFor(Arc::default()), soon()), async {
        tree.stop(Duration::from_secs(5)).await;
        assert!(begun.elapsed() < Duration::from_secs(6));
        assert_eq!(counter_of(&tree).state, ChildState::Stopped);
    });
    assert_eq!(work.unwrap_err().kind(), FaultKind::TimedOut, "its own deadline ends it");
    assert_clean(&tree).await;
}

#[actix::test]
async fn a_plain_task_that_panics_or_ends_is_started_anew() {
    let mut builder = builder();
    let runs = Gauge::default();
    let counted = runs.clone();
    builder.task("task", move || {
        counted.increment();
        let run = counted.get();
        async move {
            match run {
                1 => panic!("a scripted panic"),
                2 => {}
                _ => std::future::pending().await,
            }
        }
    });
    let tree = builder.start().await.unwrap();
    while runs.get() < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let stats = tree.stats();
    let task = stats.child("task").unwrap();
    assert_eq!((task.restarts, task.counts.panics, task.state), (2, 1, ChildState::Running));
    tree.stop(Duration::from_secs(1)).await;
    assert_clean(&tree).await;
}

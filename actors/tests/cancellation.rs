//! Whoever leaves takes the work along: queued payloads are freed at once, work under way is told or dropped.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use mortar_actors::fakes::{Counted, Gauge, assert_clean, eventually};
use mortar_actors::{Ask, Body, ByteStream, Counts, Deadline, Door, FaultKind, Gate, Serve, State, Ticket, Tree, Work};
use tokio::sync::Notify;

/// Works as its messages say, and counts what it begins.
#[derive(Clone)]
struct Worker {
    begun: Gauge,
    finished: Gauge,
}

/// Work that is dropped with its requester.
struct Droppable(Counted, Arc<Notify>);
/// Work that is finished, whoever leaves.
struct Kept(Counted, Arc<Notify>);
/// Answers with a body that is read later.
struct Stream;

impl Ask for Droppable {
    type Reply = ();
}
impl Ask for Kept {
    type Reply = ();
}
impl Ask for Stream {
    type Reply = Body;
}

impl State for Worker {}

impl Worker {
    fn work(
        &self,
        payload: Counted,
        go: Arc<Notify>,
    ) -> impl Future<Output = Result<(), mortar_actors::Fault>> + use<> {
        self.begun.increment();
        let finished = self.finished.clone();
        async move {
            go.notified().await;
            finished.increment();
            drop(payload);
            Ok(())
        }
    }
}

impl Serve<Droppable> for Worker {
    fn serve(&mut self, Droppable(payload, go): Droppable, _: &Ticket) -> Work<()> {
        Work::later(self.work(payload, go))
    }
}

impl Serve<Kept> for Worker {
    fn serve(&mut self, Kept(payload, go): Kept, _: &Ticket) -> Work<()> {
        Work::kept(self.work(payload, go))
    }
}

impl Serve<Stream> for Worker {
    fn serve(&mut self, _: Stream, ticket: &Ticket) -> Work<Body> {
        let chunks = futures::stream::pending();
        Work::Done(Ok(Body::Stream(ByteStream::new(None, chunks)).holding(ticket.hold())))
    }
}

struct Scene {
    tree: Tree,
    door: Door<Worker>,
    gate: Gate,
    worker: Worker,
    payloads: Gauge,
    go: Arc<Notify>,
}

impl Scene {
    async fn set() -> Self {
        tokio::time::pause();
        let mut builder = Tree::builder(Arbiter::current());
        let gate = Gate::counting("asks", 2);
        let worker = Worker { begun: Gauge::default(), finished: Gauge::default() };
        let state = worker.clone();
        let door = builder.actor("worker", vec![gate.clone()], move || state.clone());
        let tree = builder.start().await.unwrap();
        Self { tree, door, gate, worker, payloads: Gauge::default(), go: Arc::default() }
    }

    fn droppable(&self) -> Droppable {
        Droppable(self.payloads.count(), Arc::clone(&self.go))
    }

    fn kept(&self) -> Kept {
        Kept(self.payloads.count(), Arc::clone(&self.go))
    }

    fn counts(&self) -> Counts {
        self.tree.stats().child("worker").unwrap().counts
    }
}

fn within_a_minute() -> Deadline {
    Deadline::within(Duration::from_secs(60))
}

#[actix::test]
async fn a_requester_that_leaves_a_queued_message_frees_it_at_once_and_it_is_never_begun() {
    let scene = Scene::set().await;
    {
        let ask = scene.door.ask(&scene.gate, scene.droppable(), within_a_minute());
        futures::pin_mut!(ask);
        // Polled once, so that the message stands in the mailbox; the actor shares this thread and had no turn yet.
        assert!(futures::poll!(&mut ask).is_pending());
        assert_eq!((scene.payloads.get(), scene.counts().queued, scene.gate.held()), (1, 1, 1));
    }
    assert_eq!(scene.payloads.get(), 0, "freed before the actor got to it");
    assert_eq!(scene.gate.held(), 1, "the empty envelope still counts");
    assert_clean(&scene.tree).await;
    assert_eq!((scene.worker.begun.get(), scene.counts().cancelled), (0, 1));
}

#[actix::test]
async fn a_message_whose_deadline_has_passed_is_not_begun() {
    let scene = Scene::set().await;
    let ask = scene.door.ask(&scene.gate, scene.droppable(), Deadline::within(Duration::ZERO));
    assert_eq!(ask.await.unwrap_err().kind(), FaultKind::TimedOut);
    assert_eq!(scene.payloads.get(), 0);
    assert_clean(&scene.tree).await;
    assert_eq!((scene.worker.begun.get(), scene.counts().cancelled), (0, 1));
}

#[actix::test]
async fn a_requester_that_leaves_work_under_way_has_it_dropped() {
    let scene = Scene::set().await;
    {
        let ask = scene.door.ask(&scene.gate, scene.droppable(), within_a_minute());
        futures::pin_mut!(ask);
        assert!(futures::poll!(&mut ask).is_pending());
        eventually("it is begun", || scene.worker.begun.get() == 1).await;
    }
    eventually("its payload is freed", || scene.payloads.get() == 0).await;
    assert_clean(&scene.tree).await;
    assert_eq!((scene.worker.finished.get(), scene.counts().cancelled), (0, 1));
}

#[actix::test]
async fn work_under_way_is_dropped_at_its_deadline() {
    let scene = Scene::set().await;
    let begun = tokio::time::Instant::now();
    let ask = scene.door.ask(&scene.gate, scene.droppable(), within_a_minute());
    assert_eq!(ask.await.unwrap_err().kind(), FaultKind::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 60);
    eventually("its payload is freed", || scene.payloads.get() == 0).await;
    assert_clean(&scene.tree).await;
    assert_eq!((scene.worker.begun.get(), scene.worker.finished.get()), (1, 0));
}

#[actix::test]
async fn work_that_must_be_finished_is_finished_although_its_requester_left() {
    let scene = Scene::set().await;
    {
        let ask = scene.door.ask(&scene.gate, scene.kept(), within_a_minute());
        futures::pin_mut!(ask);
        assert!(futures::poll!(&mut ask).is_pending());
        eventually("it is begun", || scene.worker.begun.get() == 1).await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((scene.payloads.get(), scene.gate.held()), (1, 1), "still at it, and still counted");
    scene.go.notify_one();
    assert_clean(&scene.tree).await;
    assert_eq!((scene.worker.finished.get(), scene.counts().handled), (1, 1));
}

#[actix::test]
async fn what_is_told_is_done_without_anyone_waiting() {
    let scene = Scene::set().await;
    scene.door.tell(&scene.gate, scene.droppable(), within_a_minute()).unwrap();
    scene.door.tell(&scene.gate, scene.droppable(), within_a_minute()).unwrap();
    let third = scene.door.tell(&scene.gate, scene.droppable(), within_a_minute());
    assert_eq!(third.unwrap_err().kind(), FaultKind::Overloaded);
    eventually("both are begun", || scene.worker.begun.get() == 2).await;
    scene.go.notify_waiters();
    assert_clean(&scene.tree).await;
    assert_eq!(scene.worker.finished.get(), 2);
}

#[actix::test]
async fn a_permit_is_held_until_the_answered_body_is_dropped() {
    let scene = Scene::set().await;
    let body = scene.door.ask(&scene.gate, Stream, within_a_minute()).await.unwrap();
    assert_eq!(scene.gate.held(), 1);
    drop(body);
    assert_eq!(scene.gate.held(), 0);
    assert_clean(&scene.tree).await;
}

/// Red when work goes on for a requester that left: `finish` in the place of `finish_while_wanted`
/// (`actors/src/host.rs`).
#[actix::test]
async fn fault_02_ten_thousand_asks_aborted_at_any_moment_leave_nothing_behind() {
    let scene = Scene::set().await;
    for round in 0..10_000 {
        let ask = scene.door.ask(&scene.gate, scene.droppable(), within_a_minute());
        futures::pin_mut!(ask);
        // Zero polls leave before the message is sent, one while it is queued, more while it is worked on.
        for _ in 0..round % 5 {
            drop(futures::poll!(&mut ask));
            tokio::task::yield_now().await;
        }
    }
    assert_clean(&scene.tree).await;
    assert_eq!((scene.payloads.get(), scene.worker.finished.get()), (0, 0));
}

//! Bounds hold, whatever actix does: what does not fit is refused at once, with a type.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use actix::Arbiter;
use futures::future::join_all;
use mortar_actors::fakes::{Counted, Gauge, assert_clean, eventually};
use mortar_actors::{Ask, Deadline, Door, Fault, FaultKind, Gate, Serve, State, Ticket, Tree, Work};
use tokio::sync::Notify;

/// An actor that a test can block together with its whole thread.
struct Blocked;

struct Block(Receiver<()>);
struct Carry(Counted);
struct WaitFor(Arc<Notify>);

impl Ask for Block {
    type Reply = ();
}
impl Ask for Carry {
    type Reply = ();
}
impl Ask for WaitFor {
    type Reply = ();
}

impl State for Blocked {}

impl Serve<Block> for Blocked {
    fn serve(&mut self, block: Block, _: &Ticket) -> Work<()> {
        // Ends with an error when the test ends early, so that the thread never hangs.
        let unblocked = block.0.recv();
        Work::Done(unblocked.map_err(|_| Fault::new(FaultKind::Cancelled, "the test has ended")))
    }
}

impl Serve<Carry> for Blocked {
    fn serve(&mut self, carry: Carry, _: &Ticket) -> Work<()> {
        drop(carry.0);
        Work::Done(Ok(()))
    }
}

impl Serve<WaitFor> for Blocked {
    fn serve(&mut self, ask: WaitFor, _: &Ticket) -> Work<()> {
        Work::later(async move {
            ask.0.notified().await;
            Ok(())
        })
    }
}

struct Stuck {
    tree: Tree,
    door: Door<Blocked>,
    gate: Gate,
    unblock: Sender<()>,
    arbiter: Arbiter,
}

fn patient() -> Deadline {
    Deadline::within(Duration::from_secs(60))
}

/// An actor of that capacity on a thread of its own, which is blocked.
async fn stuck(capacity: usize) -> Stuck {
    let arbiter = Arbiter::new();
    let mut builder = Tree::builder(arbiter.handle());
    let (gate, control) = (Gate::counting("asks", capacity), Gate::counting("control", 1));
    let door = builder.actor("blocked", vec![gate.clone(), control.clone()], || Blocked);
    let tree = builder.start().await.unwrap();
    let (unblock, blocked) = channel();
    door.tell(&control, Block(blocked), patient()).unwrap();
    eventually("it is stuck", || tree.stats().child("blocked").unwrap().counts.running == 1).await;
    Stuck { tree, door, gate, unblock, arbiter }
}

impl Stuck {
    async fn end_clean(self) {
        assert_clean(&self.tree).await;
        self.tree.stop(Duration::from_secs(10)).await;
        self.arbiter.stop();
        self.arbiter.join().unwrap();
    }
}

#[actix::test]
async fn of_a_thousand_asks_to_a_stuck_actor_of_capacity_4_all_but_4_are_refused_at_once() {
    let stuck = stuck(4).await;
    let alive = Gauge::default();
    let asks = (0..1000).map(|_| stuck.door.ask(&stuck.gate, Carry(alive.count()), patient()));
    let (answers, ()) = tokio::join!(join_all(asks), async {
        eventually("all are refused or queued", || stuck.gate.stats().refused == 996).await;
        assert_eq!(alive.get(), 4, "only four payloads are alive");
        assert_eq!(stuck.tree.stats().child("blocked").unwrap().counts.queued, 4);
        stuck.unblock.send(()).unwrap();
    });
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((answered.len(), refused.len()), (4, 996));
    for refusal in refused {
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.kind(), FaultKind::Overloaded);
        assert!(refusal.wait_before_retry().is_some());
    }
    assert_eq!(alive.get(), 0);
    assert_eq!(stuck.tree.stats().child("blocked").unwrap().counts.refused, 996);
    stuck.end_clean().await;
}

#[actix::test]
async fn requesters_that_leave_a_stuck_actor_free_their_payloads_and_let_no_more_in_than_it_holds() {
    let stuck = stuck(4).await;
    let alive = Gauge::default();
    for round in 0..100 {
        let ask = stuck.door.ask(&stuck.gate, Carry(alive.count()), patient());
        let left = tokio::time::timeout(Duration::ZERO, ask).await;
        assert_eq!(alive.get(), 0, "the payload is freed the moment its requester leaves");
        assert_eq!(left.is_err(), round < 4, "four empty envelopes stand in the mailbox, the rest is refused");
    }
    let stats = stuck.gate.stats();
    assert_eq!((stats.held, stats.admitted, stats.refused), (4, 4, 96));

    stuck.unblock.send(()).unwrap();
    assert_clean(&stuck.tree).await;
    let counts = stuck.tree.stats().child("blocked").unwrap().counts;
    assert_eq!((counts.cancelled, counts.handled), (4, 1), "none of them was begun");
    stuck.end_clean().await;
}

#[actix::test]
async fn the_bound_covers_running_work_as_well_as_queued() {
    tokio::time::pause();
    let mut builder = Tree::builder(Arbiter::current());
    let gate = Gate::counting("asks", 4);
    let door = builder.actor("blocked", vec![gate.clone()], || Blocked);
    let tree = builder.start().await.unwrap();
    let go = Arc::new(Notify::new());
    let asks = (0..1000).map(|_| door.ask(&gate, WaitFor(Arc::clone(&go)), patient()));
    let (answers, ()) = tokio::join!(join_all(asks), async {
        eventually("four are running", || tree.stats().child("blocked").unwrap().counts.running == 4).await;
        assert_eq!(gate.stats().refused, 996);
        go.notify_waiters();
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4);
    assert_clean(&tree).await;
}

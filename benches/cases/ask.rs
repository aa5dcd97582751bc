//! One ask of an actor through its door, beside the least that an ask can be: a channel to a task and one back.

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use actix_rt::{Arbiter, ArbiterHandle, System};
use mortar_actors::{Ask, Deadline, Door, Gate, Serve, State, SupervisionSettings, Ticket, Tree, Work};
use tokio::sync::{mpsc, oneshot};

use crate::paired::{Clock, Pair};

const ASKS: u32 = 2_000;
const ROUNDS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(60);

/// An actor that answers at once.
struct Echo;

struct Number(u64);

impl State for Echo {}

impl Ask for Number {
    type Reply = u64;
}

impl Serve<Number> for Echo {
    fn serve(&mut self, message: Number, _ticket: &Ticket) -> Work<u64> {
        Work::Done(Ok(message.0))
    }
}

type Channel = mpsc::Sender<(u64, oneshot::Sender<u64>)>;

pub(super) fn run() {
    let system = System::new();
    let here = system.block_on(async { Arbiter::current() });
    compare(&system, "ask: on the actor's own thread", &here);
    let elsewhere = Arbiter::new();
    compare(&system, "ask: from another thread", &elsewhere.handle());
    elsewhere.stop();
}

/// Asks one after the other, from the thread of the system.
fn compare(system: &actix_rt::SystemRunner, name: &str, arbiter: &ArbiterHandle) {
    let gate = Gate::counting("echoes", 64);
    let (door, tree) = system.block_on(start(arbiter.clone(), gate.clone()));
    let channel = listen(arbiter);
    Pair::new(name, Clock::Wall, ROUNDS).run_measured(
        || {
            timed(system, async {
                for number in 0..u64::from(ASKS) {
                    let answer = door.ask(&gate, Number(number), Deadline::within(PATIENCE)).await;
                    black_box(answer.is_ok());
                }
            })
        },
        || {
            timed(system, async {
                for number in 0..u64::from(ASKS) {
                    let (reply, answer) = oneshot::channel();
                    let sent = channel.send((number, reply)).await;
                    black_box((sent.is_ok(), answer.await.is_ok()));
                }
            })
        },
    );
    system.block_on(tree.stop(Duration::from_secs(1)));
}

async fn start(arbiter: ArbiterHandle, gate: Gate) -> (Door<Echo>, Tree) {
    let mut tree = Tree::builder(arbiter).supervision(SupervisionSettings::default());
    let door = tree.actor("echo", vec![gate], || Echo);
    (door, tree.start().await.expect("nothing speaks against it"))
}

fn listen(arbiter: &ArbiterHandle) -> Channel {
    let (sender, mut receiver) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(64);
    arbiter.spawn(async move {
        while let Some((number, reply)) = receiver.recv().await {
            // Who does not listen any more has no use for the answer.
            let _ = reply.send(number);
        }
    });
    sender
}

/// The time of one ask.
fn timed(system: &actix_rt::SystemRunner, asks: impl Future<Output = ()>) -> Duration {
    let begun = Instant::now();
    system.block_on(asks);
    begun.elapsed() / ASKS
}

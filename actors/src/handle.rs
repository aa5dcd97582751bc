//! The one door to an actor: permit, envelope, answer.
//!
//! The message lies in a slot that requester and envelope share. Whoever comes first takes it: the actor to begin its
//! work, or the requester's guard when the requester leaves, so that an abandoned payload is freed at once although the
//! envelope still stands in the mailbox. The empty envelope keeps its permit until the actor gets to it, so envelopes
//! are bounded as well.

mod envelope;

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix::prelude::SendError;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use crate::fault::{Fault, FaultKind};
use crate::gate::{Gate, Permit};
use crate::host::{Host, Serve, State};
use crate::meter::Meter;
use crate::vocab::Deadline;
use crate::wait::within;

use envelope::Waiting;
pub(crate) use envelope::{Envelope, Opened};

/// An ask that was not begun waits at most this long for the actor to be rebuilt.
const REBUILD_PATIENCE: Duration = Duration::from_secs(1);

/// A message that is asked: an imperative with its reply.
pub trait Ask: Send + 'static {
    /// What it is answered with.
    type Reply: Send + 'static;
}

/// The door to one actor, through all its rebuilds. Cheap to clone; all clones are one door.
pub struct Door<S: State>(Arc<Inner<S>>);

struct Inner<S: State> {
    name: &'static str,
    /// The one address, never cloned per ask: each clone would have a guaranteed place in the mailbox.
    address: ArcSwapOption<Addr<Host<S>>>,
    phase: watch::Sender<Phase>,
    meter: Arc<Meter>,
}

/// Where the actor behind a door is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Being built.
    Down,
    /// The incarnation of that number, counted from one, takes messages.
    Up(u64),
    /// Stopped or given up: it will not come back.
    Closed,
}

enum Delivery<M: Ask> {
    Answered(Result<M::Reply, Fault>),
    /// The actor ended before it began; the message is back.
    Returned(M),
}

impl<S: State> Door<S> {
    pub(crate) fn new(name: &'static str, meter: Arc<Meter>) -> Self {
        let (phase, _) = watch::channel(Phase::Down);
        Self(Arc::new(Inner { name, address: ArcSwapOption::empty(), phase, meter }))
    }

    /// Asks the actor: a permit from `gate` or a refusal at once, then the answer by the deadline or a time-out.
    ///
    /// Dropping the future abandons the ask: a message that was not begun is freed at once and never begun, and work
    /// under way learns it through its [`Ticket`](crate::Ticket).
    ///
    /// # Errors
    /// `Overloaded` when the gate is full; `Restarting` when the actor was being rebuilt and did not come back in time,
    /// or ended while at it; `TimedOut` at the deadline; `Panicked` when the work panicked; whatever the work failed
    /// with. A message that was not begun when its actor ended is delivered once more, to the rebuilt one.
    pub async fn ask<M: Ask>(&self, gate: &Gate, message: M, deadline: Deadline) -> Result<M::Reply, Fault>
    where
        S: Serve<M>,
    {
        let answer = self.ask_twice(gate, message, deadline).await;
        self.counting_absence(answer)
    }

    async fn ask_twice<M: Ask>(&self, gate: &Gate, message: M, deadline: Deadline) -> Result<M::Reply, Fault>
    where
        S: Serve<M>,
    {
        let seen = *self.0.phase.borrow();
        let message = match self.deliver(self.enter(gate)?, message, deadline).await? {
            Delivery::Answered(answer) => return answer,
            Delivery::Returned(message) => message,
        };
        // Whoever waits for the rebuild is bounded by the gate as well.
        let permit = self.enter(gate)?;
        self.rebuilt(seen, deadline).await?;
        match self.deliver(permit, message, deadline).await? {
            Delivery::Answered(answer) => answer,
            Delivery::Returned(_) => Err(self.restarting()),
        }
    }

    /// Hands a message over without waiting for its answer: a permit or a refusal, both at once. Nobody abandons it.
    ///
    /// # Errors
    /// `Overloaded` when the gate is full, `Restarting` when there is no actor to take it.
    pub fn tell<M: Ask>(&self, gate: &Gate, message: M, deadline: Deadline) -> Result<(), Fault>
    where
        S: Serve<M>,
    {
        let (envelope, _answer) = Envelope::seal(self.enter(gate)?, message, deadline, &self.0.meter);
        self.counting_absence(self.post(envelope))
    }

    async fn deliver<M: Ask>(&self, permit: Permit, message: M, deadline: Deadline) -> Result<Delivery<M>, Fault>
    where
        S: Serve<M>,
    {
        let (envelope, answer) = Envelope::seal(permit, message, deadline, &self.0.meter);
        let waiting = Waiting::on(&envelope);
        match self.post(envelope) {
            Ok(()) => {
                if let Ok(answer) = within(deadline, answer).await? {
                    return Ok(Delivery::Answered(answer));
                }
            }
            Err(fault) if fault.kind() == FaultKind::Restarting => {}
            Err(fault) => return Err(fault),
        }
        match waiting.take_back() {
            Some(message) => Ok(Delivery::Returned(message)),
            None => Err(self.restarting()),
        }
    }

    /// Counts a refusal that needed no message.
    pub(crate) fn counting_refusal<T>(&self, admission: Result<T, Fault>) -> Result<T, Fault> {
        admission.inspect_err(|_| self.0.meter.refused())
    }

    fn enter(&self, gate: &Gate) -> Result<Permit, Fault> {
        self.counting_refusal(gate.try_enter(1))
    }

    fn post<M: Ask>(&self, envelope: Envelope<M>) -> Result<(), Fault>
    where
        S: Serve<M>,
    {
        let address = self.0.address.load();
        let Some(address) = address.as_ref() else { return Err(self.restarting()) };
        address.try_send(envelope).map_err(|refusal| match refusal {
            SendError::Closed(_) => self.restarting(),
            // The mailbox is larger than all gates of the actor together, so this gate is not one of them.
            SendError::Full(_) => Fault::new(FaultKind::Overloaded, format!("the {} is overloaded", self.0.name)),
        })
    }

    /// Waits until the actor has been built anew since `seen`.
    async fn rebuilt(&self, seen: Phase, deadline: Deadline) -> Result<(), Fault> {
        let mut phases = self.0.phase.subscribe();
        let came_back = phases.wait_for(|phase| match (seen, *phase) {
            (_, Phase::Closed) => true,
            (Phase::Up(old), Phase::Up(new)) => new > old,
            (_, Phase::Up(_)) => true,
            (_, Phase::Down) => false,
        });
        match within(deadline.at_most(REBUILD_PATIENCE), came_back).await {
            Ok(Ok(phase)) if *phase != Phase::Closed => Ok(()),
            _ => Err(self.restarting()),
        }
    }

    fn counting_absence<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        answer.inspect_err(|fault| {
            if fault.kind() == FaultKind::Restarting {
                self.0.meter.refused();
            }
        })
    }

    fn restarting(&self) -> Fault {
        Fault::new(FaultKind::Restarting, format!("the {} is being restarted", self.0.name))
            .retry_after(REBUILD_PATIENCE)
    }

    pub(crate) fn open(&self, incarnation: u64, address: Addr<Host<S>>) {
        self.0.address.store(Some(Arc::new(address)));
        self.0.phase.send_replace(Phase::Up(incarnation));
    }

    /// Takes the address away: asks wait for the next incarnation, if there is one.
    pub(crate) fn shut(&self) {
        self.0.phase.send_if_modified(|phase| {
            let open = *phase != Phase::Closed;
            if open {
                *phase = Phase::Down;
            }
            open
        });
        self.0.address.store(None);
    }

    /// Takes the address away for good.
    pub(crate) fn close(&self) {
        self.0.phase.send_replace(Phase::Closed);
        self.0.address.store(None);
    }
}

impl<S: State> Clone for Door<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

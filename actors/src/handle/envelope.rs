use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Span;

use super::Ask;
use crate::fault::Fault;
use crate::gate::Permit;
use crate::host::Life;
use crate::meter::Meter;
use crate::ticket::Ticket;
use crate::vocab::{Deadline, StopFlag};

type Answer<M> = Result<<M as Ask>::Reply, Fault>;

/// The place where a message lies until it is begun or abandoned.
struct Slot<M>(Mutex<Option<M>>);

/// What travels through the mailbox.
pub(crate) struct Envelope<M: Ask> {
    slot: Arc<Slot<M>>,
    permit: Permit,
    stop: StopFlag,
    span: Span,
    asked_at: Instant,
    reply: oneshot::Sender<Answer<M>>,
    queued: Queued,
}

/// An envelope whose message is to be begun.
pub(crate) struct Opened<M: Ask> {
    pub(crate) message: M,
    pub(crate) ticket: Ticket,
    pub(crate) reply: oneshot::Sender<Answer<M>>,
}

/// The requester's side of an envelope. Dropping it abandons the ask.
pub(super) struct Waiting<M> {
    slot: Arc<Slot<M>>,
    stop: StopFlag,
}

/// Counts one envelope as queued until it is opened or dropped.
struct Queued(Arc<Meter>);

impl<M: Ask> Envelope<M> {
    pub(super) fn seal(
        permit: Permit,
        message: M,
        deadline: Deadline,
        meter: &Arc<Meter>,
    ) -> (Self, oneshot::Receiver<Answer<M>>) {
        let (reply, answer) = oneshot::channel();
        let envelope = Self {
            slot: Arc::new(Slot(Mutex::new(Some(message)))),
            permit,
            stop: StopFlag::new(deadline),
            span: Span::current(),
            asked_at: Instant::now(),
            reply,
            queued: Queued::new(meter),
        };
        (envelope, answer)
    }

    /// Takes the message out to begin it; `None`, counted as cancelled, when it is no longer wanted.
    pub(crate) fn open(self, life: &Arc<Life>) -> Option<Opened<M>> {
        let meter = Arc::clone(&self.queued.0);
        drop(self.queued);
        let message = self.slot.take();
        if let Err(unwanted) = self.stop.check() {
            meter.cancelled();
            drop((message, self.permit));
            // A requester whose deadline has just passed may still listen.
            drop(self.reply.send(Err(unwanted)));
            return None;
        }
        meter.waited(self.asked_at.elapsed());
        let ticket = Ticket::new(self.permit, self.stop, self.span, Arc::clone(life));
        Some(Opened { message: message?, ticket, reply: self.reply })
    }
}

impl<M: Ask> actix::Message for Envelope<M> {
    type Result = ();
}

impl<M> Slot<M> {
    fn take(&self) -> Option<M> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<M> Waiting<M> {
    pub(super) fn on(envelope: &Envelope<M>) -> Self
    where
        M: Ask,
    {
        Self { slot: Arc::clone(&envelope.slot), stop: envelope.stop.clone() }
    }

    /// The message, if it was not begun.
    pub(super) fn take_back(&self) -> Option<M> {
        self.slot.take()
    }
}

impl<M> Drop for Waiting<M> {
    fn drop(&mut self) {
        // In this order: an empty slot always means that the flag is up.
        self.stop.raise();
        drop(self.slot.take());
    }
}

impl Queued {
    fn new(meter: &Arc<Meter>) -> Self {
        meter.queued.fetch_add(1, Relaxed);
        Self(Arc::clone(meter))
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Relaxed);
    }
}

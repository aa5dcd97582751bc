use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::errand::{Errand, FlightContext};
use super::leased::Leased;
use super::roll::Roll;
use crate::epoch::{Epoch, Epochs};
use crate::fault::{Fault, FaultKind};
use crate::fence::fenced_async;
use crate::gate::Permit;
use crate::vocab::{Deadline, Key, StopFlag};
use crate::wait::within;

/// One run of an errand for everyone who asks for the same key.
///
/// It is a task of its own: it belongs to no requester and not to the actor. Its waiters share one channel.
pub(super) struct Flight<T> {
    key: Key,
    /// The one that it began under, or the later one that it learnt of before it read anything.
    epoch: ArcSwap<Epoch>,
    stop: StopFlag,
    /// Zero means that it is about to end, for ever: nobody can take a seat any more.
    waiters: AtomicUsize,
    outcome: watch::Sender<Option<Result<T, Fault>>>,
}

/// A place on a flight. The last one that is given up ends the flight.
pub(super) struct Seat<T> {
    flight: Arc<Flight<T>>,
    outcome: watch::Receiver<Option<Result<T, Fault>>>,
}

/// The end of a flight, however it comes: also when its task is torn down together with its thread.
struct Landing<T: Clone + Send + Sync + 'static> {
    flight: Arc<Flight<T>>,
    roll: Arc<Roll<T>>,
    permit: Option<Permit>,
    outcome: Option<Result<T, Fault>>,
}

/// Why nobody can take a seat.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoSeat {
    /// The last waiter has left.
    Ending,
    /// Too many wait already.
    Full,
}

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// A flight with its first seat taken.
    pub(super) fn new(key: Key, epoch: Epoch, deadline: Deadline) -> (Arc<Self>, Seat<T>) {
        let (sender, outcome) = watch::channel(None);
        let (stop, waiters) = (StopFlag::new(deadline), AtomicUsize::new(1));
        let flight = Arc::new(Self { key, epoch: ArcSwap::from_pointee(epoch), stop, waiters, outcome: sender });
        (Arc::clone(&flight), Seat { flight, outcome })
    }

    /// Takes a seat beside at most `limit - 1` others.
    pub(super) fn sit(self: &Arc<Self>, limit: usize) -> Result<Seat<T>, NoSeat> {
        let sat = self.waiters.fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiters| {
            (waiters > 0 && waiters < limit).then_some(waiters + 1)
        });
        match sat {
            Ok(_) => Ok(Seat { flight: Arc::clone(self), outcome: self.outcome.subscribe() }),
            Err(0) => Err(NoSeat::Ending),
            Err(_) => Err(NoSeat::Full),
        }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether what it makes is for those only who wait for it already.
    pub(super) fn is_outdated(&self) -> bool {
        self.epoch.load().is_over()
    }

    pub(super) fn waiters(&self) -> usize {
        self.waiters.load(Ordering::Relaxed)
    }

    /// Does the errand, leaves the roll and tells everyone. The permit is held as long.
    pub(super) async fn run(
        self: Arc<Self>,
        errand: Errand<T>,
        lease: Arc<Leased>,
        epochs: Epochs,
        roll: Arc<Roll<T>>,
        permit: Permit,
    ) {
        let mut landing = Landing { flight: Arc::clone(&self), roll, permit: Some(permit), outcome: None };
        let outcome = tokio::select! {
            biased;
            fault = self.stop.raised() => Err(fault),
            outcome = fenced_async(self.work(&errand, &lease, &epochs)) => outcome.and_then(|outcome| outcome),
        };
        landing.outcome = Some(outcome);
    }

    async fn work(&self, errand: &Errand<T>, lease: &Arc<Leased>, epochs: &Epochs) -> Result<T, Fault> {
        let epoch = epochs.learn_mark(Epoch::clone(&self.epoch.load()), &self.key).await;
        self.epoch.store(Arc::new(epoch.clone()));
        let (deadline, stop) = (self.stop.deadline(), self.stop.clone());
        let context = FlightContext { deadline, stop, epoch, look_again: false };
        lease.fly(&self.key, errand, context).await
    }
}

impl<T: Clone> Seat<T> {
    /// Waits for the outcome up to the waiter's own deadline, which ends its wait and nothing else.
    pub(super) async fn outcome(mut self, deadline: Deadline) -> Result<T, Fault> {
        let told = within(deadline, self.outcome.wait_for(Option::is_some)).await?;
        told.ok().and_then(|outcome| outcome.clone()).unwrap_or_else(|| Err(cut_off()))
    }
}

impl<T> Drop for Seat<T> {
    fn drop(&mut self) {
        if self.flight.waiters.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.flight.stop.raise();
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for Landing<T> {
    fn drop(&mut self) {
        // Everything is given back before anyone is told, so that whoever hears finds a clean tree.
        drop(self.permit.take());
        self.roll.leave(&self.flight);
        if self.flight.waiters() == 0 {
            self.roll.abandoned();
        }
        let outcome = self.outcome.take().unwrap_or_else(|| Err(cut_off()));
        self.flight.outcome.send_replace(Some(outcome));
    }
}

fn cut_off() -> Fault {
    Fault::new(FaultKind::Restarting, "the work was cut off")
}

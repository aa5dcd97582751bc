use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;
use super::budget::Budget;
use super::{Child, ChildState, SupervisionSettings};
use crate::fence::{fenced, fenced_async};
use crate::handle::Door;
use crate::host::{Exit, Host, Life, State};
use crate::wait::{pause, until};

/// How often a stopping child is looked at while its last work ends.
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// One incarnation under way. It lives on its arbiter and need not be `Send`.
pub(crate) type Run<'a> = Pin<Box<dyn Future<Output = Exit> + 'a>>;

/// How one kind of child is built and run.
pub(crate) trait Incarnation: Send + 'static {
    /// Builds the child, says so, and waits for its end.
    fn run<'a>(&'a mut self, child: &'a Child, number: u64) -> Run<'a>;

    /// Called when the child will not come back.
    fn close(&mut self);
}

/// An actor behind its door.
pub(crate) struct KeptActor<S: State, F> {
    pub(crate) door: Door<S>,
    pub(crate) factory: F,
    pub(crate) mailbox: usize,
}

/// A plain task that runs until it is stopped.
pub(crate) struct KeptTask<F> {
    pub(crate) task: F,
}

/// Keeps one child alive on the current arbiter until it is stopped or has given up.
pub(crate) async fn keep(child: Arc<Child>, settings: SupervisionSettings, mut incarnation: Box<dyn Incarnation>) {
    let ending = live(&child, &settings, incarnation.as_mut()).await;
    incarnation.close();
    child.enter(ending);
}

async fn live(child: &Child, settings: &SupervisionSettings, incarnation: &mut dyn Incarnation) -> ChildState {
    let mut backoff = Backoff::new(settings);
    let mut budget = Budget::new(settings.budget, settings.budget_period);
    let mut number = 0;
    loop {
        number += 1;
        let begun = Instant::now();
        let exit = incarnation.run(child, number).await;
        if exit == Exit::Stopped {
            return ChildState::Stopped;
        }
        if exit == Exit::Panicked && !budget.charge() {
            tracing::error!(child = child.name, "it failed too often and has given up");
            return ChildState::GivenUp;
        }
        child.enter(ChildState::Restarting);
        if begun.elapsed() >= settings.budget_period {
            backoff.reset();
        }
        // Waits that grow would let a few poisonous inputs keep everybody out.
        let wait = if exit == Exit::PoisonedInput { backoff.shortest() } else { backoff.next() };
        tracing::warn!(child = child.name, ?exit, wait_ms = wait.as_millis(), "it ended and is being rebuilt");
        if child.stop.run_until_cancelled(pause(wait)).await.is_none() {
            return ChildState::Stopped;
        }
    }
}

impl<S: State, F: FnMut() -> S + Send + 'static> Incarnation for KeptActor<S, F> {
    fn run<'a>(&'a mut self, child: &'a Child, number: u64) -> Run<'a> {
        Box::pin(async move {
            let Ok(state) = fenced(|| (self.factory)()) else {
                child.meter.panicked();
                return Exit::Panicked;
            };
            let life = Life::new(Arc::clone(&child.meter));
            let (address, mut gone) = Host::start_here(state, Arc::clone(&life), self.mailbox);
            self.door.open(number, address);
            child.enter(ChildState::Running);
            tokio::select! {
                // The sender is dropped with the actor; nothing is ever sent.
                _ = &mut gone => {}
                () = child.stop.cancelled() => {
                    self.door.close();
                    let drained = until(|| child.is_idle(), DRAIN_POLL);
                    child.give_up_waiting.run_until_cancelled(drained).await;
                    life.end(Exit::Stopped);
                    drop(gone.await);
                }
            }
            self.door.shut();
            life.exit()
        })
    }

    fn close(&mut self) {
        self.door.close();
    }
}

impl<F, T> Incarnation for KeptTask<F>
where
    F: FnMut() -> T + Send + 'static,
    T: Future<Output = ()> + 'static,
{
    fn run<'a>(&'a mut self, child: &'a Child, _number: u64) -> Run<'a> {
        Box::pin(async move {
            child.enter(ChildState::Running);
            let task = fenced_async((self.task)());
            match child.stop.run_until_cancelled(task).await {
                None => Exit::Stopped,
                // A task that ends unasked has failed as surely as one that panics.
                Some(Ok(())) => Exit::Panicked,
                Some(Err(_)) => {
                    child.meter.panicked();
                    Exit::Panicked
                }
            }
        })
    }

    fn close(&mut self) {}
}

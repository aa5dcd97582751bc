//! The supervision tree: starts its children in order, tells how they are, stops them in reverse.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::ArbiterHandle;
use futures::future::select_all;
use tokio::time::Instant;

use crate::epoch::{EpochSettings, Epochs};
use crate::fault::{Fault, FaultKind};
use crate::gate::Gate;
use crate::handle::Door;
use crate::host::State;
use crate::meter::Meter;
use crate::stats::{Readiness, TreeStats};
use crate::supervise::{Child, ChildState, Incarnation, KeptActor, KeptTask, Observe, SupervisionSettings, keep};
use crate::vocab::Deadline;
use crate::wait::within;

/// Mailbox places beyond the sum of the gates, for envelopes whose permit was just given back.
const MAILBOX_SLACK: usize = 64;

/// The running tree.
pub struct Tree {
    children: Vec<Arc<Child>>,
    started: Instant,
}

/// Collects the children of a tree, in the order in which they are to start.
pub struct TreeBuilder {
    arbiter: ArbiterHandle,
    settings: SupervisionSettings,
    epochs: Epochs,
    planned: Vec<Planned>,
}

struct Planned {
    child: Arc<Child>,
    incarnation: Box<dyn Incarnation>,
}

impl Tree {
    /// Begins a tree whose children live on `arbiter`.
    pub fn builder(arbiter: ArbiterHandle) -> TreeBuilder {
        let epochs = Epochs::new(EpochSettings::default(), None);
        TreeBuilder { arbiter, settings: SupervisionSettings::default(), epochs, planned: Vec::new() }
    }

    /// The whole tree at this moment.
    pub fn stats(&self) -> TreeStats {
        TreeStats {
            uptime_seconds: self.started.elapsed().as_secs(),
            ready: self.readiness().ready,
            children: self.children.iter().map(|child| child.stats()).collect(),
        }
    }

    /// Whether the service should be sent requests, with every reason against it.
    pub fn readiness(&self) -> Readiness {
        let reasons: Vec<_> = self.children.iter().flat_map(|child| child.reasons()).collect();
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// Resolves with the name of the first child that gives up; the service then ends with an error. Pending for ever
    /// while all is well.
    pub async fn failed(&self) -> &'static str {
        if self.children.is_empty() {
            return std::future::pending().await;
        }
        let endings = self.children.iter().map(|child| {
            Box::pin(async {
                child.reaches(|state| state == ChildState::GivenUp).await;
                child.name
            })
        });
        select_all(endings).await.0
    }

    /// Stops the children in reverse order. Each refuses new asks at once, has up to `limit` to end the work under
    /// way, and is then ended with it.
    pub async fn stop(&self, limit: Duration) {
        for child in self.children.iter().rev() {
            let ended = |state| matches!(state, ChildState::Stopped | ChildState::GivenUp);
            child.stop.cancel();
            if within(Deadline::within(limit), child.reaches(ended)).await.is_err() {
                tracing::warn!(child = child.name, "it is stopped with work under way");
                child.give_up_waiting.cancel();
                child.reaches(ended).await;
            }
        }
    }
}

impl TreeBuilder {
    /// How failed children are rebuilt.
    #[must_use]
    pub fn supervision(mut self, settings: SupervisionSettings) -> Self {
        self.settings = settings;
        self
    }

    /// What the actors go by to tell what was derived from an original before it was replaced. To be given before they
    /// are added; otherwise they share epochs of their own.
    #[must_use]
    pub fn epochs(mut self, epochs: Epochs) -> Self {
        self.epochs = epochs;
        self
    }

    pub(crate) fn shared_epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Adds an actor whose state comes from `factory`, at the start and after each failure. `gates` are those that its
    /// asks enter by, the first one being the one that its capacity is told by.
    pub fn actor<S: State>(
        &mut self,
        name: &'static str,
        gates: Vec<Gate>,
        factory: impl FnMut() -> S + Send + 'static,
    ) -> Door<S> {
        self.observed_actor(name, gates, None, factory)
    }

    pub(crate) fn observed_actor<S: State>(
        &mut self,
        name: &'static str,
        gates: Vec<Gate>,
        observed: Option<Arc<dyn Observe>>,
        factory: impl FnMut() -> S + Send + 'static,
    ) -> Door<S> {
        let meter = Arc::new(Meter::new());
        let mailbox = gates.iter().filter_map(Gate::pieces).fold(MAILBOX_SLACK, usize::saturating_add);
        let door = Door::new(name, Arc::clone(&meter));
        let child = Child::new(name, meter, gates, observed);
        let incarnation = Box::new(KeptActor { door: door.clone(), factory, mailbox });
        self.planned.push(Planned { child, incarnation });
        door
    }

    /// Adds a plain task that runs until it is stopped. A task that ends or panics is started anew from `task`.
    pub fn task<T>(&mut self, name: &'static str, task: impl FnMut() -> T + Send + 'static)
    where
        T: Future<Output = ()> + 'static,
    {
        self.observed_task(name, None, task);
    }

    pub(crate) fn observed_task<T>(
        &mut self,
        name: &'static str,
        observed: Option<Arc<dyn Observe>>,
        task: impl FnMut() -> T + Send + 'static,
    ) where
        T: Future<Output = ()> + 'static,
    {
        let child = Child::new(name, Arc::new(Meter::new()), Vec::new(), observed);
        self.planned.push(Planned { child, incarnation: Box::new(KeptTask { task }) });
    }

    /// Starts the children one after the other, each before the next.
    ///
    /// # Errors
    /// `Internal` when a child gives up before it ran once, or the arbiter has ended. What was started is stopped.
    pub async fn start(self) -> Result<Tree, Fault> {
        let mut tree = Tree { children: Vec::new(), started: Instant::now() };
        for Planned { child, incarnation } in self.planned {
            let (kept, settings) = (Arc::clone(&child), self.settings.clone());
            let spawned = self.arbiter.spawn_fn(move || drop(actix_rt::spawn(keep(kept, settings, incarnation))));
            let begun = |state| matches!(state, ChildState::Running | ChildState::GivenUp);
            if !spawned || child.reaches(begun).await == ChildState::GivenUp {
                tree.stop(Duration::ZERO).await;
                return Err(Fault::new(FaultKind::Internal, format!("the {} cannot be started", child.name)));
            }
            tree.children.push(child);
        }
        Ok(tree)
    }
}

//! What work carries with it: its permit, its stop flag, its tracing span.

use std::sync::Arc;

use tracing::Span;

use crate::gate::Permit;
use crate::host::{Exit, Life};
use crate::vocab::{Deadline, StopFlag};

/// Travels with a message from the ask until its work ends.
pub struct Ticket {
    permit: Arc<Permit>,
    stop: StopFlag,
    span: Span,
    pub(crate) life: Arc<Life>,
}

/// Keeps the permit of an ask beyond its answer, as for a body that is still being read.
#[derive(Clone, Debug)]
pub struct Hold {
    _permit: Arc<Permit>,
}

impl Ticket {
    pub(crate) fn new(permit: Permit, stop: StopFlag, span: Span, life: Arc<Life>) -> Self {
        Self { permit: Arc::new(permit), stop, span, life }
    }

    /// Raised when the requester leaves or its deadline passes.
    pub fn stop(&self) -> &StopFlag {
        &self.stop
    }

    /// When the requester loses interest.
    pub fn deadline(&self) -> Deadline {
        self.stop.deadline()
    }

    /// Keeps the permit for as long as the returned value lives.
    pub fn hold(&self) -> Hold {
        Hold { _permit: Arc::clone(&self.permit) }
    }

    /// A way to end this incarnation of the actor from work that it started: its state is rebuilt from the factory.
    ///
    /// For a panic that the input caused: it counts as a restart and is not charged to the restart budget,
    /// or else a handful of poisoned inputs could take the service down.
    pub fn rebuild(&self) -> Rebuild {
        Rebuild(Arc::clone(&self.life))
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }
}

/// Ends an incarnation of an actor; see [`Ticket::rebuild`].
#[derive(Clone)]
pub struct Rebuild(Arc<Life>);

impl Rebuild {
    /// Asks for the rebuild; the second time for one incarnation does nothing.
    pub fn because_of_input(self) {
        self.0.end(Exit::PoisonedInput);
    }
}

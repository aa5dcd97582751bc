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

    /// What work needs to report a panic that it fenced by itself.
    pub fn incident(&self) -> Incident {
        Incident(Arc::clone(&self.life))
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }
}

/// Reports panics that work fenced by itself, so that they were not the actor's end.
#[derive(Clone)]
pub struct Incident(Arc<Life>);

impl Incident {
    /// Counts the panic.
    pub fn count(&self) {
        self.0.meter.panicked();
    }

    /// Counts the panic and has the actor's state rebuilt from its factory.
    ///
    /// For a panic that the input caused: the restart is not charged to the budget, or else a handful of poisonous
    /// inputs could take the service down.
    pub fn rebuild(&self) {
        self.count();
        self.0.end(Exit::PoisonedInput);
    }
}

use std::sync::Arc;

use super::actor::{Join, Lock};
use super::errand::Errand;
use super::leased::Leased;
use super::roll::Roll;
use super::{Lease, LockSettings};
use crate::fault::{Fault, FaultKind};
use crate::gate::Gate;
use crate::handle::Door;
use crate::tree::TreeBuilder;
use crate::vocab::{Deadline, Key};

/// The way to the flights. Cheap to clone.
pub struct LockHandle<T: Clone + Send + Sync + 'static> {
    pub(crate) door: Door<Lock<T>>,
    joins: Gate,
}

impl<T: Clone + Send + Sync + 'static> LockHandle<T> {
    /// Joins the flight for `key` and waits for its outcome, starting it with `errand` if there is none.
    ///
    /// The deadline ends this wait and nothing else; so does dropping the future. The last waiter that leaves ends the
    /// flight and drops its work. When the flight was cut off rather than failed, the flight is joined once more.
    ///
    /// # Errors
    /// What the errand failed with, the same for everyone; `Panicked` when it panicked twice; `TimedOut` at this
    /// deadline or the flight's own; `Overloaded` when there are too many flights, or too many waiters on this one.
    pub async fn join(&self, key: &Key, deadline: Deadline, errand: Errand<T>) -> Result<T, Fault> {
        match self.fly(key, deadline, errand.clone()).await {
            Err(fault) if was_cut_off(&fault) && !deadline.has_passed() => self.fly(key, deadline, errand).await,
            outcome => outcome,
        }
    }

    async fn fly(&self, key: &Key, deadline: Deadline, errand: Errand<T>) -> Result<T, Fault> {
        let join = Join { key: key.clone(), errand };
        let seat = self.door.ask(&self.joins, join, deadline).await?;
        seat.outcome(deadline).await
    }
}

impl<T: Clone + Send + Sync + 'static> Clone for LockHandle<T> {
    fn clone(&self) -> Self {
        Self { door: self.door.clone(), joins: self.joins.clone() }
    }
}

fn was_cut_off(fault: &Fault) -> bool {
    matches!(fault.kind(), FaultKind::Panicked | FaultKind::Cancelled | FaultKind::Restarting)
}

impl TreeBuilder {
    /// Adds the lock actor for flights that end with a `T`, joined across instances if there is a lease.
    pub fn lock<T: Clone + Send + Sync + 'static>(
        &mut self,
        settings: LockSettings,
        lease: Option<Arc<dyn Lease>>,
    ) -> LockHandle<T> {
        let joins = Gate::counting("joins", settings.joins);
        let flights = Gate::counting("flights", settings.max_flights);
        let lease = Arc::new(Leased::new(lease, &settings));
        let roll = Arc::new(Roll::new(Arc::clone(&lease), flights.clone()));
        let (observed, epochs) = (Arc::clone(&roll), self.shared_epochs().clone());
        let gates = vec![joins.clone(), flights.clone()];
        let door = self.observed_actor("lock", gates, Some(observed), move || {
            Lock::new(settings.clone(), flights.clone(), Arc::clone(&lease), epochs.clone(), Arc::clone(&roll))
        });
        LockHandle { door, joins }
    }
}

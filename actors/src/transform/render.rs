use std::sync::Arc;

use super::floor::Floor;
use super::shares::Share;
use super::turnstile::{Size, Turn};
use super::{Engine, Estimate};
use crate::fault::{Fault, FaultKind};
use crate::fence::fenced;
use crate::gate::Permit;
use crate::ticket::{Hold, Incident, Ticket};
use crate::vocab::{Deadline, Key, Owner, StopFlag};
use crate::wait::within;

/// What a render makes, and for whom.
pub(super) struct Name {
    pub(super) key: Key,
    pub(super) owner: Owner,
}

/// One render on its way: queued, then on a CPU thread.
pub(super) struct Render<E: Engine> {
    name: Name,
    engine: Arc<E>,
    floor: Arc<Floor>,
    stop: StopFlag,
    incident: Incident,
    /// The place among running and queued renders.
    place: Hold,
    /// The place among those of the owner.
    share: Arc<Share>,
}

/// What a render holds on its thread, however long that takes.
struct Admitted {
    _memory: Permit,
    _turn: Turn,
    _large: Option<LargePlace>,
    _place: Hold,
    _share: Arc<Share>,
}

/// The place of a large render among those, and among those of its owner.
struct LargePlace {
    _place: Permit,
    _share: Share,
}

impl<E: Engine> Render<E> {
    pub(super) fn new(name: Name, share: Share, engine: Arc<E>, floor: Arc<Floor>, ticket: &Ticket) -> Self {
        let (stop, incident, place) = (ticket.stop().clone(), ticket.incident(), ticket.hold());
        Self { name, engine, floor, stop, incident, place, share: Arc::new(share) }
    }

    /// Waits for its turn and renders. A job that nobody waits for is dropped at once while it is queued; on its
    /// thread it ends at the next stage, and holds what it was admitted by until then.
    pub(super) async fn run(self, job: E::Job) -> Result<E::Output, Fault> {
        let (job, estimate) = self.estimate(job).await?;
        let admitted = tokio::select! {
            biased;
            fault = self.stop.raised() => return Err(fault),
            admitted = self.admit(estimate) => admitted?,
        };
        let (engine, stop) = (Arc::clone(&self.engine), self.stop.clone());
        let rendering = tokio::task::spawn_blocking(move || {
            let rendered = stop.check().and_then(|()| fenced(|| engine.render(job, &stop)).and_then(|output| output));
            drop(admitted);
            rendered
        });
        self.watch(rendering).await
    }

    /// Asks the engine on a thread of its own: a header that is made to be long must not hold up all actors.
    async fn estimate(&self, job: E::Job) -> Result<(E::Job, Estimate), Fault> {
        let permit = tokio::select! {
            biased;
            fault = self.stop.raised() => return Err(fault),
            permit = self.floor.estimates.enter(1, self.stop.deadline()) => permit?,
        };
        let engine = Arc::clone(&self.engine);
        let estimating = tokio::task::spawn_blocking(move || {
            let estimate = fenced(|| engine.estimate(&job)).and_then(|estimate| estimate);
            drop(permit);
            (job, estimate)
        });
        let (job, estimate) = estimating.await.map_err(|_| cut_off())?;
        Ok((job, self.blaming_input(estimate)?))
    }

    async fn admit(&self, estimate: Estimate) -> Result<Admitted, Fault> {
        let (deadline, size) = (self.stop.deadline(), self.floor.size(estimate)?);
        let large = if size == Size::Small { None } else { Some(self.large_place()?) };
        let turn = self.floor.turnstile.enter(&self.name.owner, size, deadline).await?;
        let memory = self.floor.memory.enter(estimate.memory_bytes, deadline).await?;
        let (place, share) = (self.place.clone(), Arc::clone(&self.share));
        Ok(Admitted { _memory: memory, _turn: turn, _large: large, _place: place, _share: share })
    }

    fn large_place(&self) -> Result<LargePlace, Fault> {
        let share = self.floor.large_shares.enter(&self.name.owner)?;
        Ok(LargePlace { _place: self.floor.large.try_enter(1)?, _share: share })
    }

    /// Waits for the render, and reports it once when it runs on long after its deadline.
    async fn watch(self, mut rendering: tokio::task::JoinHandle<Result<E::Output, Fault>>) -> Result<E::Output, Fault> {
        let patience = self.stop.deadline().remaining() + self.floor.settings.stuck_after;
        let joined = match within(Deadline::within(patience), &mut rendering).await {
            Ok(joined) => joined,
            Err(_) => {
                tracing::warn!(key = %self.name.key, "a render runs on long after its deadline");
                let _stuck = self.floor.stuck();
                rendering.await
            }
        };
        // The pool drops tasks only when its thread's runtime is shut down.
        let rendered = joined.unwrap_or_else(|_| Err(cut_off()));
        self.blaming_input(rendered)
    }

    /// A panic counts, puts the key into quarantine and has the engine rebuilt.
    fn blaming_input<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if outcome.as_ref().is_err_and(|fault| fault.kind() == FaultKind::Panicked) {
            self.floor.quarantine.take_in(self.name.key.clone());
            self.incident.rebuild();
        }
        outcome
    }
}

fn cut_off() -> Fault {
    Fault::new(FaultKind::Restarting, "the render was cut off")
}

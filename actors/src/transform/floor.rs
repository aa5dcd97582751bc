use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::quarantine::Quarantine;
use super::shares::Shares;
use super::turnstile::Turnstile;
use super::{TransformSettings, TransformStats};
use crate::gate::Gate;
use crate::stats::Detail;
use crate::supervise::Observe;

/// The shop floor: everything about renders that outlives a rebuild of the actor, since running renders do.
pub(super) struct Floor {
    pub(super) settings: TransformSettings,
    /// Running and queued renders together, and the reserve.
    pub(super) renders: Gate,
    /// Whose they are.
    pub(super) shares: Arc<Shares>,
    /// The large ones among them: half, so that they cannot fill the queue.
    pub(super) large: Gate,
    /// Whose turn it is to run. Whoever waits here or for memory is bounded by `renders`.
    pub(super) turnstile: Arc<Turnstile>,
    pub(super) memory: Gate,
    /// Those who look at a header, which takes a thread but hardly any time.
    pub(super) estimates: Gate,
    pub(super) quarantine: Quarantine,
    stuck: AtomicUsize,
}

/// Counts one render as stuck while it lives.
pub(super) struct Stuck(Arc<Floor>);

impl Floor {
    pub(super) fn new(settings: TransformSettings) -> Self {
        let places = settings.running.saturating_add(settings.queued);
        Self {
            renders: Gate::counting("renders", places.saturating_add(settings.reserved)),
            shares: Arc::new(Shares::new(places, settings.reserved)),
            large: Gate::counting("large renders", (places / 2).max(1)),
            turnstile: Arc::new(Turnstile::new(settings.running)),
            memory: Gate::bytes("bytes of pictures", settings.memory_bytes),
            estimates: Gate::counting("estimates", settings.running.saturating_mul(2)),
            quarantine: Quarantine::new(settings.quarantine, settings.quarantine_keys),
            stuck: AtomicUsize::new(0),
            settings,
        }
    }

    pub(super) fn stuck(self: &Arc<Self>) -> Stuck {
        self.stuck.fetch_add(1, Relaxed);
        Stuck(Arc::clone(self))
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.0.stuck.fetch_sub(1, Relaxed);
    }
}

impl Observe for Floor {
    fn detail(&self) -> Detail {
        let running = self.turnstile.places().held();
        Detail::Transform(TransformStats {
            running,
            large_running: self.turnstile.large().held(),
            queued: self.renders.held().saturating_sub(running),
            memory_bytes: self.memory.held(),
            max_memory_bytes: self.memory.capacity(),
            quarantined: self.quarantine.len(),
            stuck: self.stuck.load(Relaxed),
        })
    }

    fn reasons(&self) -> Vec<String> {
        let stuck = self.stuck.load(Relaxed);
        let saturated = self.shares.are_taken().then(|| "transform is saturated".to_owned());
        let many_stuck = (stuck >= self.settings.max_stuck).then(|| format!("transform has {stuck} stuck renders"));
        saturated.into_iter().chain(many_stuck).collect()
    }
}

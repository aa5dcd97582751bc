use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::quarantine::Quarantine;
use super::{TransformSettings, TransformStats};
use crate::gate::Gate;
use crate::stats::Detail;
use crate::supervise::Observe;

/// The shop floor: everything about renders that outlives a rebuild of the actor, since running renders do.
pub(super) struct Floor {
    pub(super) settings: TransformSettings,
    /// Running and queued renders together.
    pub(super) renders: Gate,
    /// Running renders. Whoever waits here or for memory is bounded by `renders`.
    pub(super) slots: Gate,
    pub(super) memory: Gate,
    pub(super) quarantine: Quarantine,
    stuck: AtomicUsize,
}

/// Counts one render as stuck while it lives.
pub(super) struct Stuck(Arc<Floor>);

impl Floor {
    pub(super) fn new(settings: TransformSettings) -> Self {
        Self {
            renders: Gate::counting("renders", settings.running.saturating_add(settings.queued)),
            slots: Gate::counting("running renders", settings.running),
            memory: Gate::bytes("bytes of pictures", settings.memory_bytes),
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
        let running = self.slots.held();
        Detail::Transform(TransformStats {
            running,
            queued: self.renders.held().saturating_sub(running),
            memory_bytes: self.memory.held(),
            max_memory_bytes: self.memory.capacity(),
            quarantined: self.quarantine.len(),
            stuck: self.stuck.load(Relaxed),
        })
    }

    fn reasons(&self) -> Vec<String> {
        let stuck = self.stuck.load(Relaxed);
        let saturated = self.renders.is_full().then(|| "transform is saturated".to_owned());
        let many_stuck = (stuck >= self.settings.max_stuck).then(|| format!("transform has {stuck} stuck renders"));
        saturated.into_iter().chain(many_stuck).collect()
    }
}

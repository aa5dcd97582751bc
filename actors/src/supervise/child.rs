use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::gate::Gate;
use crate::meter::Meter;
use crate::stats::{ActorStats, Detail};

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildState {
    /// Not built yet.
    Starting,
    /// At work.
    Running,
    /// Failed, to be rebuilt after the backoff.
    Restarting,
    /// Its restart budget is spent; it stays away.
    GivenUp,
    /// Stopped in order.
    Stopped,
}

/// What only one kind of child tells: its part of the stats, and its reasons not to be ready.
pub(crate) trait Observe: Send + Sync + 'static {
    fn detail(&self) -> Detail;

    fn reasons(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One child as its keeper and the tree see it.
pub(crate) struct Child {
    pub(crate) name: &'static str,
    pub(crate) meter: Arc<Meter>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) observed: Option<Arc<dyn Observe>>,
    /// Cancelled when the child is to stop.
    pub(crate) stop: CancellationToken,
    /// Cancelled when a stopping child has had its time and is to end with work under way.
    pub(crate) give_up_waiting: CancellationToken,
    status: watch::Sender<Status>,
    restarts: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Status {
    state: ChildState,
    since: Instant,
}

impl Child {
    pub(crate) fn new(
        name: &'static str,
        meter: Arc<Meter>,
        gates: Vec<Gate>,
        observed: Option<Arc<dyn Observe>>,
    ) -> Arc<Self> {
        let (status, _) = watch::channel(Status { state: ChildState::Starting, since: Instant::now() });
        Arc::new(Self {
            name,
            meter,
            gates,
            observed,
            stop: CancellationToken::new(),
            give_up_waiting: CancellationToken::new(),
            status,
            restarts: AtomicU64::new(0),
        })
    }

    pub(crate) fn state(&self) -> ChildState {
        self.status.borrow().state
    }

    pub(super) fn enter(&self, state: ChildState) {
        if state == ChildState::Restarting {
            self.restarts.fetch_add(1, Relaxed);
        }
        self.status.send_replace(Status { state, since: Instant::now() });
    }

    /// Waits until the child is in a state that `wanted` accepts, and tells which.
    pub(crate) async fn reaches(&self, wanted: impl Fn(ChildState) -> bool) -> ChildState {
        let mut status = self.status.subscribe();
        let reached = status.wait_for(|status| wanted(status.state)).await.map(|status| status.state);
        reached.expect("the child owns the sender that this receiver listens to")
    }

    /// Whether nothing is queued or running.
    pub(crate) fn is_idle(&self) -> bool {
        let counts = self.meter.counts();
        counts.queued == 0 && counts.running == 0
    }

    pub(crate) fn stats(&self) -> ActorStats {
        let status = *self.status.borrow();
        let uptime = (status.state == ChildState::Running).then(|| status.since.elapsed());
        ActorStats {
            name: self.name,
            state: status.state,
            uptime_seconds: uptime.unwrap_or_default().as_secs(),
            restarts: self.restarts.load(Relaxed),
            capacity: self.gates.first().map_or(0, Gate::capacity),
            counts: self.meter.counts(),
            wait: self.meter.wait_times(),
            work: self.meter.work_times(),
            gates: self.gates.iter().map(Gate::stats).collect(),
            detail: self.observed.as_ref().map(|observed| observed.detail()),
        }
    }

    /// Why this child speaks against being ready.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let name = self.name;
        let of_state = match self.state() {
            ChildState::Running => None,
            ChildState::Starting => Some(format!("{name} has not started yet")),
            ChildState::Restarting => Some(format!("{name} is being restarted")),
            ChildState::GivenUp => Some(format!("{name} failed too often and has given up")),
            ChildState::Stopped => Some(format!("{name} is stopped")),
        };
        of_state.into_iter().chain(self.observed.iter().flat_map(|observed| observed.reasons())).collect()
    }
}

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::time::Instant;

use super::roster::Counters;
use super::{ClientStats, OpenStore, Store};
use crate::breaker::{Breaker, BreakerSettings};
use crate::fault::{Fault, FaultKind};
use crate::fence::fenced_async;
use crate::ticket::Incident;
use crate::vocab::{Deadline, StoreId};
use crate::wait::within;

type Opened = Result<Arc<dyn Store>, Fault>;
type Opening = BoxFuture<'static, Opened>;

/// One store as the actor knows it: its client while there is one, its breaker, how it did last.
///
/// The client is built on the first call; those who call meanwhile join the one build. Running calls hold the client
/// themselves, so closing it here ends its connections when the last of them ends.
pub(super) struct Client {
    id: StoreId,
    stores: Arc<dyn OpenStore>,
    counters: Arc<Counters>,
    breaker: Breaker,
    connection: Mutex<Connection>,
    born: Instant,
    /// Milliseconds from `born` to the last ask.
    asked_after_millis: AtomicU64,
    /// What the last health check found, unless a call has gone well since.
    unwell: AtomicBool,
}

/// The build that is under way is held by those who wait for it and by nobody else: when they leave, it ends.
enum Connection {
    Closed,
    Opening(WeakShared<Opening>),
    Open(Arc<dyn Store>),
}

impl Client {
    pub(super) fn new(
        id: StoreId,
        stores: Arc<dyn OpenStore>,
        counters: Arc<Counters>,
        breaker: BreakerSettings,
    ) -> Self {
        Self {
            id,
            stores,
            counters,
            breaker: Breaker::new(breaker),
            connection: Mutex::new(Connection::Closed),
            born: Instant::now(),
            asked_after_millis: AtomicU64::new(0),
            unwell: AtomicBool::new(false),
        }
    }

    /// Notes that somebody asked for this store.
    pub(super) fn touch(&self) {
        self.asked_after_millis.store(self.born.elapsed().as_millis() as u64, Relaxed);
    }

    pub(super) fn idle(&self) -> Duration {
        self.born.elapsed().saturating_sub(Duration::from_millis(self.asked_after_millis.load(Relaxed)))
    }

    /// Calls the store, building its client first if there is none. A call that panics fails alone, and its client is
    /// closed.
    pub(super) async fn call<R, F>(
        &self,
        deadline: Deadline,
        incident: &Incident,
        work: impl FnOnce(Arc<dyn Store>) -> F,
    ) -> Result<R, Fault>
    where
        F: Future<Output = Result<R, Fault>>,
    {
        self.breaker.admit()?;
        let trial = Trial { client: self, deadline, told: false };
        let called = within(deadline, fenced_async(async { work(self.open().await?).await })).await;
        let outcome = called.and_then(|answer| answer).and_then(|answer| answer);
        trial.tell(&outcome);
        if outcome.as_ref().is_err_and(|fault| fault.kind() == FaultKind::Panicked) {
            self.close();
            incident.count();
        }
        outcome
    }

    /// Asks the store whether it is well, if it is open or failed last. A client that is not well is closed.
    pub(super) async fn check(&self, timeout: Duration) {
        if !self.is_open() && !self.is_failing() {
            return;
        }
        let checked = fenced_async(async { self.open().await?.check().await });
        let outcome =
            within(Deadline::within(timeout), checked).await.and_then(|answer| answer).and_then(|answer| answer);
        self.breaker.learn(&outcome);
        self.unwell.store(outcome.is_err(), Relaxed);
        if let Err(fault) = outcome
            && self.close()
        {
            tracing::warn!(store = %self.id, error = &fault as &dyn std::error::Error, "a store client failed its health check");
            self.counters.unhealthy_closed.fetch_add(1, Relaxed);
        }
    }

    /// Whether its last health check failed, or so many calls in a row that it is given a rest. One call that fails
    /// says more of its object than of the store.
    pub(super) fn is_failing(&self) -> bool {
        self.unwell.load(Relaxed) || self.breaker.is_open()
    }

    pub(super) fn id(&self) -> &StoreId {
        &self.id
    }

    pub(super) fn stats(&self) -> ClientStats {
        ClientStats {
            store: self.id.to_string(),
            open: self.is_open(),
            healthy: !self.is_failing(),
            resting: self.breaker.is_open(),
            age_seconds: self.born.elapsed().as_secs(),
            idle_seconds: self.idle().as_secs(),
        }
    }

    fn is_open(&self) -> bool {
        matches!(*self.connection(), Connection::Open(_))
    }

    /// Lets go of the client; `false` when there was none.
    fn close(&self) -> bool {
        let closed = std::mem::replace(&mut *self.connection(), Connection::Closed);
        matches!(closed, Connection::Open(_))
    }

    async fn open(&self) -> Opened {
        let opening = match self.open_or_join() {
            Ok(store) => return Ok(store),
            Err(opening) => opening,
        };
        let opened = opening.clone().await;
        self.settle(&opening, &opened);
        opened
    }

    fn open_or_join(&self) -> Result<Arc<dyn Store>, Shared<Opening>> {
        let mut connection = self.connection();
        let under_way = match &*connection {
            Connection::Open(store) => return Ok(Arc::clone(store)),
            Connection::Opening(opening) => opening.upgrade(),
            Connection::Closed => None,
        };
        Err(under_way.unwrap_or_else(|| {
            let (stores, id) = (Arc::clone(&self.stores), self.id.clone());
            let opening = async move { fenced_async(stores.open(&id)).await.and_then(|opened| opened) };
            let opening = opening.boxed().shared();
            // A future that nobody has polled yet can be downgraded.
            *connection = opening.downgrade().map_or(Connection::Closed, Connection::Opening);
            opening
        }))
    }

    /// Keeps what a build made, if it is still the one under way; a failure is not remembered.
    fn settle(&self, opening: &Shared<Opening>, opened: &Opened) {
        let mut connection = self.connection();
        let Connection::Opening(current) = &*connection else { return };
        if !current.upgrade().is_some_and(|current| current.ptr_eq(opening)) {
            return;
        }
        *connection = match opened {
            Ok(store) => {
                self.counters.opened.fetch_add(1, Relaxed);
                Connection::Open(Arc::clone(store))
            }
            Err(_) => Connection::Closed,
        };
    }

    fn connection(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn<T>(&self, outcome: &Result<T, Fault>) {
        self.breaker.learn(outcome);
        let kind = outcome.as_ref().err().map(Fault::kind);
        if !matches!(kind, Some(FaultKind::Upstream | FaultKind::TimedOut)) {
            self.unwell.store(false, Relaxed);
        }
    }
}

/// A call whose outcome the client is to learn, also when the call is dropped at its deadline.
struct Trial<'a> {
    client: &'a Client,
    deadline: Deadline,
    told: bool,
}

impl Trial<'_> {
    fn tell<T>(mut self, outcome: &Result<T, Fault>) {
        self.told = true;
        self.client.learn(outcome);
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.told && self.deadline.has_passed() {
            self.client.learn::<()>(&Err(Fault::new(FaultKind::TimedOut, "the store did not answer in time")));
        }
    }
}

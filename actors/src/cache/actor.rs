use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::oneshot;

use super::handle::Levels;
use super::{CacheSettings, SharedCache};
use crate::breaker::Breaker;
use crate::epoch::Epoch;
use crate::fault::Fault;
use crate::fence::fenced_async;
use crate::handle::Ask;
use crate::host::{Serve, State, Work};
use crate::ticket::Ticket;
use crate::vocab::{Deadline, Key, Rendition};
use crate::wait::within;

/// The actor's state. A fresh one comes with an empty memory level.
pub(crate) struct Cache {
    levels: Arc<Levels>,
}

/// The shared level behind its time-out and breaker. Nothing that happens there is a fault here.
pub(super) struct Guarded {
    level: Arc<dyn SharedCache>,
    timeout: Duration,
    breaker: Breaker,
    faults: AtomicU64,
}

pub(super) struct Lookup {
    pub(super) key: Key,
    pub(super) epoch: Epoch,
}

pub(super) struct Keep {
    pub(super) key: Key,
    pub(super) rendition: Arc<Rendition>,
    pub(super) time_to_live: Duration,
    pub(super) epoch: Epoch,
    pub(super) told: oneshot::Sender<bool>,
}

pub(super) struct Forget(pub(super) Key);

impl Ask for Lookup {
    type Reply = Option<Arc<Rendition>>;
}

impl Ask for Keep {
    type Reply = ();
}

impl Ask for Forget {
    type Reply = ();
}

impl Guarded {
    pub(super) fn new(level: Arc<dyn SharedCache>, settings: &CacheSettings) -> Self {
        let breaker = Breaker::new(settings.breaker);
        Self { level, timeout: settings.shared_timeout, breaker, faults: AtomicU64::new(0) }
    }

    pub(super) fn faults(&self) -> u64 {
        self.faults.load(Relaxed)
    }

    pub(super) fn is_resting(&self) -> bool {
        self.breaker.is_open()
    }

    /// What the level answers; `None` when it fails, takes too long, or is given a rest.
    async fn ask<T>(&self, operation: impl Future<Output = Result<T, Fault>>) -> Option<T> {
        self.breaker.admit().ok()?;
        let asked = within(Deadline::within(self.timeout), fenced_async(operation)).await;
        let outcome = asked.and_then(|answer| answer).and_then(|answer| answer);
        self.breaker.learn(&outcome);
        outcome
            .inspect_err(|fault| {
                self.faults.fetch_add(1, Relaxed);
                tracing::debug!(error = fault as &dyn std::error::Error, "the shared cache level failed");
            })
            .ok()
    }
}

impl Cache {
    pub(super) fn new(levels: Arc<Levels>) -> Self {
        levels.renew_memory();
        Self { levels }
    }
}

impl State for Cache {}

impl Serve<Lookup> for Cache {
    fn serve(&mut self, Lookup { key, epoch }: Lookup, _ticket: &Ticket) -> Work<Option<Arc<Rendition>>> {
        // It may have come while the message was under way.
        if let Some(rendition) = self.levels.memory().get(&key) {
            return Work::Done(Ok(Some(rendition)));
        }
        let levels = Arc::clone(&self.levels);
        Work::later(async move {
            let Some(shared) = &levels.shared else { return Ok(None) };
            let found = shared.ask(shared.level.get(&key)).await.flatten();
            Ok(found.map(|(rendition, time_to_live)| {
                levels.memory().insert(key, Arc::clone(&rendition), time_to_live, &epoch);
                rendition
            }))
        })
    }
}

impl Serve<Keep> for Cache {
    fn serve(&mut self, keep: Keep, _ticket: &Ticket) -> Work<()> {
        let levels = Arc::clone(&self.levels);
        Work::kept(async move {
            // What became old on its way here is not kept, nor what the others could not tell to be old.
            let (Some(shared), Some(_commit), Some(mark)) = (&levels.shared, keep.epoch.commit(), keep.epoch.mark())
            else {
                return Ok(());
            };
            let kept = shared.ask(shared.level.put(&keep.key, &keep.rendition, keep.time_to_live, mark)).await;
            // Mostly nobody waits to hear it.
            keep.told.send(kept == Some(true)).ok();
            Ok(())
        })
    }
}

impl Serve<Forget> for Cache {
    fn serve(&mut self, Forget(key): Forget, _ticket: &Ticket) -> Work<()> {
        let levels = Arc::clone(&self.levels);
        Work::kept(async move {
            if let Some(shared) = &levels.shared {
                shared.ask(shared.level.remove(&key)).await;
            }
            levels.memory().remove(&key);
            Ok(())
        })
    }
}

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::errand::{Errand, FlightContext};
use super::tenure::Tenure;
use super::{Claim, Lease, LockSettings};
use crate::breaker::Breaker;
use crate::epoch::{Epoch, Mark};
use crate::fault::Fault;
use crate::fence::fenced_async;
use crate::vocab::{Deadline, Key};
use crate::wait::within;

/// The lease that instances share, if there is one, behind its time-out and breaker. It only saves work: whatever fails
/// here, the work is done.
pub(super) struct Leased {
    lease: Option<Arc<dyn Lease>>,
    settings: LockSettings,
    breaker: Breaker,
    answered_elsewhere: AtomicU64,
    lost: AtomicU64,
    faults: AtomicU64,
}

impl Leased {
    pub(super) fn new(lease: Option<Arc<dyn Lease>>, settings: &LockSettings) -> Self {
        Self {
            lease,
            settings: settings.clone(),
            breaker: Breaker::new(settings.breaker),
            answered_elsewhere: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        }
    }

    pub(super) fn answered_elsewhere(&self) -> u64 {
        self.answered_elsewhere.load(Relaxed)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    pub(super) fn faults(&self) -> u64 {
        self.faults.load(Relaxed)
    }

    pub(super) fn is_resting(&self) -> bool {
        self.breaker.is_open()
    }

    pub(super) fn settings(&self) -> &LockSettings {
        &self.settings
    }

    /// Does the errand while holding the lease. While another instance holds it, waits and looks for what that one made.
    pub(super) async fn fly<T: Clone + Send + Sync + 'static>(
        self: &Arc<Self>,
        key: &Key,
        errand: &Errand<T>,
        context: FlightContext,
    ) -> Result<T, Fault> {
        let Some(lease) = &self.lease else { return alone(errand, context).await };
        let key = &leased_name(key, &context.epoch);
        loop {
            let asked = Deadline::within(self.settings.lease_time_to_live);
            match self.bounded(lease.claim(key, self.settings.lease_time_to_live)).await {
                None => return alone(errand, context).await,
                Some(Claim::Granted(token)) => {
                    let tenure = Tenure::begin(Arc::clone(self), Arc::clone(lease), key.clone(), token, asked);
                    return self.during(tenure, errand, FlightContext { look_again: true, ..context }).await;
                }
                Some(Claim::HeldElsewhere) => {
                    // Ended by the poll at the latest: the holder may have died without a word.
                    let poll = Deadline::within(self.settings.lease_poll);
                    drop(within(poll, fenced_async(lease.finished(key))).await);
                }
            }
            if let Some(made_elsewhere) = errand.look(&context.epoch).await {
                self.answered_elsewhere.fetch_add(1, Relaxed);
                return Ok(made_elsewhere);
            }
        }
    }

    async fn during<T: Clone + Send + Sync + 'static>(
        &self,
        mut tenure: Tenure,
        errand: &Errand<T>,
        context: FlightContext,
    ) -> Result<T, Fault> {
        let epoch = context.epoch.clone();
        let made = tenure.renewing(errand.begin(context)).await?;
        if !tenure.is_certain() {
            // Another instance may have read a newer original meanwhile: its result is the one to keep.
            self.lost.fetch_add(1, Relaxed);
            tracing::info!(key = %tenure.key(), "the lease was lost; the result is handed out and not kept");
        } else if let Some(publication) = errand.publish(&made, &epoch) {
            tenure.end_after(publication);
        }
        Ok(made)
    }

    /// What the lease answers; `None`, counted, when it fails, takes too long, or is given a rest.
    pub(super) async fn bounded<T>(&self, operation: impl Future<Output = Result<T, Fault>>) -> Option<T> {
        self.breaker.admit().ok()?;
        let asked = within(Deadline::within(self.settings.lease_timeout), fenced_async(operation)).await;
        let answer = asked.and_then(|answer| answer).and_then(|answer| answer);
        self.breaker.learn(&answer);
        answer
            .inspect_err(|fault| {
                self.faults.fetch_add(1, Relaxed);
                tracing::debug!(error = fault as &dyn std::error::Error, "the shared lease failed");
            })
            .ok()
    }
}

/// What the lease is on: those who make something of a newer original need not wait for those of an older one.
fn leased_name(key: &Key, epoch: &Epoch) -> Key {
    match epoch.mark() {
        Some(mark) if mark != Mark::default() => Key::new(format!("{key}@{mark}")),
        _ => key.clone(),
    }
}

/// Does the errand without a lease. What is made is published all the same: the next instance may find it.
async fn alone<T: Clone + Send + Sync + 'static>(errand: &Errand<T>, context: FlightContext) -> Result<T, Fault> {
    let epoch = context.epoch.clone();
    let made = errand.begin(context).await?;
    // Nobody waits until others can find it.
    drop(errand.publish(&made, &epoch));
    Ok(made)
}

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::{Claim, Lease, LeaseToken, LockSettings};
use crate::fault::Fault;
use crate::fence::fenced_async;
use crate::vocab::{Deadline, Key};
use crate::wait::{pause, within};

/// The lease that instances share, if there is one, behind its time-out. It only saves work: whatever fails here, the
/// work is done.
pub(super) struct Leased {
    lease: Option<Arc<dyn Lease>>,
    time_to_live: Duration,
    poll: Duration,
    timeout: Duration,
    answered_elsewhere: AtomicU64,
    faults: AtomicU64,
}

/// A lease that is held. Given back behind the flight's back when the flight is dropped.
struct Held {
    lease: Arc<dyn Lease>,
    key: Key,
    token: Option<LeaseToken>,
    timeout: Duration,
}

impl Leased {
    pub(super) fn new(lease: Option<Arc<dyn Lease>>, settings: &LockSettings) -> Self {
        Self {
            lease,
            time_to_live: settings.lease_time_to_live,
            poll: settings.lease_poll,
            timeout: settings.lease_timeout,
            answered_elsewhere: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        }
    }

    pub(super) fn answered_elsewhere(&self) -> u64 {
        self.answered_elsewhere.load(Relaxed)
    }

    pub(super) fn faults(&self) -> u64 {
        self.faults.load(Relaxed)
    }

    /// Does the work while holding the lease. While another instance holds it, waits and looks for what that one made.
    pub(super) async fn fly<T, W, L>(
        &self,
        key: &Key,
        begin: impl FnOnce() -> W,
        look: impl Fn() -> L,
    ) -> Result<T, Fault>
    where
        W: Future<Output = Result<T, Fault>>,
        L: Future<Output = Option<T>>,
    {
        let Some(lease) = &self.lease else { return begin().await };
        loop {
            match self.bounded(lease.claim(key, self.time_to_live)).await {
                None => return begin().await,
                Some(Claim::Granted(token)) => return self.work_renewing(lease, key, token, begin()).await,
                Some(Claim::HeldElsewhere) => {
                    // Ended by the poll at the latest: the holder may have died without a word.
                    drop(within(Deadline::within(self.poll), fenced_async(lease.finished(key))).await);
                }
            }
            if let Some(made_elsewhere) = look().await {
                self.answered_elsewhere.fetch_add(1, Relaxed);
                return Ok(made_elsewhere);
            }
        }
    }

    async fn work_renewing<T>(
        &self,
        lease: &Arc<dyn Lease>,
        key: &Key,
        token: LeaseToken,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let renewed = token.clone();
        let _held = Held { lease: Arc::clone(lease), key: key.clone(), token: Some(token), timeout: self.timeout };
        let renewals = async {
            let mut held = true;
            while held {
                pause(self.time_to_live / 3).await;
                held = self.bounded(lease.renew(key, &renewed, self.time_to_live)).await != Some(false);
            }
            // Lost: another instance may do the same work now. Results are equal, so ours goes on.
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            outcome = work => outcome,
            never = renewals => match never {},
        }
    }

    /// What the lease answers; `None`, counted, when it fails or takes too long.
    async fn bounded<T>(&self, operation: impl Future<Output = Result<T, Fault>>) -> Option<T> {
        let asked = within(Deadline::within(self.timeout), fenced_async(operation)).await;
        let answer = asked.and_then(|answer| answer).and_then(|answer| answer);
        answer
            .inspect_err(|fault| {
                self.faults.fetch_add(1, Relaxed);
                tracing::debug!(error = fault as &dyn std::error::Error, "the shared lease failed");
            })
            .ok()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(token) = self.token.take() else { return };
        let (lease, key, deadline) = (Arc::clone(&self.lease), self.key.clone(), Deadline::within(self.timeout));
        // Bounded by its time-out and by the number of flights. A release that fails leaves the lease to run out.
        drop(tokio::spawn(async move { within(deadline, fenced_async(lease.release(&key, token))).await }));
    }
}

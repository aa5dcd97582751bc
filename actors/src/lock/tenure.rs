use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::leased::Leased;
use super::{Lease, LeaseToken};
use crate::fence::fenced_async;
use crate::vocab::{Deadline, Key};
use crate::wait::{pause, within};

/// A lease while it is held. Given back when dropped, behind the flight's back.
pub(super) struct Tenure {
    leased: Arc<Leased>,
    lease: Arc<dyn Lease>,
    key: Key,
    token: LeaseToken,
    certain_until: Deadline,
}

impl Tenure {
    /// A lease that was granted. Its time to live counts from when it was asked for, before the other side's clock
    /// began: until `certain_until` nobody else can hold it.
    pub(super) fn begin(
        leased: Arc<Leased>,
        lease: Arc<dyn Lease>,
        key: Key,
        token: LeaseToken,
        certain_until: Deadline,
    ) -> Self {
        Self { leased, lease, key, token, certain_until }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether nobody else can hold the lease.
    pub(super) fn is_certain(&self) -> bool {
        !self.certain_until.has_passed()
    }

    /// Does work and renews the lease meanwhile. When it is lost the work goes on without.
    pub(super) async fn renewing<T>(&mut self, work: impl Future<Output = T>) -> T {
        let renewals = async {
            while self.renew().await {}
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            outcome = work => outcome,
            never = renewals => match never {},
        }
    }

    /// Renews the lease when a third of its time has passed. `false` when it is another's; one that cannot be asked is
    /// not lost yet.
    async fn renew(&mut self) -> bool {
        let time_to_live = self.leased.settings().lease_time_to_live;
        pause(time_to_live / 3).await;
        let renewed = Deadline::within(time_to_live);
        match self.leased.bounded(self.lease.renew(&self.key, &self.token, time_to_live)).await {
            Some(true) => self.certain_until = renewed,
            Some(false) => self.certain_until = Deadline::within(Duration::ZERO),
            None => return true,
        }
        self.is_certain()
    }

    /// Gives the lease back when other instances can find the result, or cannot for as long as a lease lives.
    pub(super) fn end_after(mut self, publication: BoxFuture<'static, ()>) {
        // Bounded in time here, and in number by the flights.
        drop(tokio::spawn(async move {
            let deadline = Deadline::within(self.leased.settings().lease_time_to_live);
            drop(self.renewing(within(deadline, fenced_async(publication))).await);
        }));
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        let (leased, lease) = (Arc::clone(&self.leased), Arc::clone(&self.lease));
        let (key, token) = (self.key.clone(), self.token.clone());
        // Bounded as every operation is. A release that fails leaves the lease to run out.
        drop(tokio::spawn(async move { leased.bounded(lease.release(&key, token)).await }));
    }
}

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{Gauge, Script};
use crate::fault::Fault;
use crate::lock::{Claim, Lease, LeaseToken};
use crate::vocab::{Deadline, Key};

/// A lease whose holders are kept in memory until their time is over; another instance is played by the test.
#[derive(Default)]
pub struct FakeLease {
    holders: Mutex<HashMap<Key, Holder>>,
    script: Mutex<Script>,
    finished: Notify,
    /// Claims made.
    pub claims: Gauge,
    /// Renewals made.
    pub renewals: Gauge,
    /// Releases made.
    pub releases: Gauge,
}

struct Holder {
    token: LeaseToken,
    until: Deadline,
}

impl FakeLease {
    /// A lease that nobody holds.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What operations do from now on.
    pub fn script(&self, script: Script) {
        *self.script.lock().expect("no test panics inside a fake") = script;
    }

    /// Another instance takes the lease, and keeps it until it gives it back.
    pub fn take_elsewhere(&self, key: &Key) {
        let holder = Holder { token: LeaseToken("elsewhere".to_owned()), until: Deadline::within(Duration::MAX) };
        self.holders().insert(key.clone(), holder);
    }

    /// The other instance gives it back and tells everyone.
    pub fn release_elsewhere(&self, key: &Key) {
        self.holders().remove(key);
        self.finished.notify_waiters();
    }

    /// Whether anyone holds the lease on `key`.
    pub fn is_held(&self, key: &Key) -> bool {
        self.held().contains_key(key)
    }

    /// Leases held by anyone.
    pub fn len(&self) -> usize {
        self.held().len()
    }

    /// Whether nobody holds any.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    async fn play(&self) -> Result<(), Fault> {
        let script = self.script.lock().expect("no test panics inside a fake").clone();
        script.play().await
    }

    /// Those whose time is not over.
    fn held(&self) -> MutexGuard<'_, HashMap<Key, Holder>> {
        let mut holders = self.holders();
        holders.retain(|_, holder| !holder.until.has_passed());
        holders
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<Key, Holder>> {
        self.holders.lock().expect("no test panics inside a fake")
    }
}

#[async_trait]
impl Lease for FakeLease {
    async fn claim(&self, key: &Key, time_to_live: Duration) -> Result<Claim, Fault> {
        self.claims.increment();
        self.play().await?;
        let mut held = self.held();
        if held.contains_key(key) {
            return Ok(Claim::HeldElsewhere);
        }
        let token = LeaseToken(format!("claim {}", self.claims.get()));
        held.insert(key.clone(), Holder { token: token.clone(), until: Deadline::within(time_to_live) });
        Ok(Claim::Granted(token))
    }

    async fn renew(&self, key: &Key, token: &LeaseToken, time_to_live: Duration) -> Result<bool, Fault> {
        self.renewals.increment();
        self.play().await?;
        let mut held = self.held();
        let ours = held.get_mut(key).filter(|holder| holder.token == *token);
        Ok(ours.map(|holder| holder.until = Deadline::within(time_to_live)).is_some())
    }

    async fn release(&self, key: &Key, token: LeaseToken) -> Result<(), Fault> {
        self.releases.increment();
        self.play().await?;
        let mut held = self.held();
        if held.get(key).is_some_and(|holder| holder.token == token) {
            held.remove(key);
        }
        drop(held);
        self.finished.notify_waiters();
        Ok(())
    }

    async fn finished(&self, _key: &Key) {
        self.finished.notified().await;
    }
}

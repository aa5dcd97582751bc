use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{Gauge, Script};
use crate::fault::Fault;
use crate::lock::{Claim, Lease, LeaseToken};
use crate::vocab::Key;

/// A lease whose holders are kept in memory; another instance is played by the test.
#[derive(Default)]
pub struct FakeLease {
    holders: Mutex<HashMap<Key, LeaseToken>>,
    script: Mutex<Script>,
    finished: Notify,
    /// Claims made.
    pub claims: Gauge,
    /// Renewals made.
    pub renewals: Gauge,
    /// Releases made.
    pub releases: Gauge,
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

    /// Another instance takes the lease.
    pub fn take_elsewhere(&self, key: &Key) {
        self.holders().insert(key.clone(), LeaseToken("elsewhere".to_owned()));
    }

    /// The other instance gives it back and tells everyone.
    pub fn release_elsewhere(&self, key: &Key) {
        self.holders().remove(key);
        self.finished.notify_waiters();
    }

    /// Whether anyone holds the lease on `key`.
    pub fn is_held(&self, key: &Key) -> bool {
        self.holders().contains_key(key)
    }

    async fn play(&self) -> Result<(), Fault> {
        let script = self.script.lock().expect("no test panics inside a fake").clone();
        script.play().await
    }

    fn holders(&self) -> std::sync::MutexGuard<'_, HashMap<Key, LeaseToken>> {
        self.holders.lock().expect("no test panics inside a fake")
    }
}

#[async_trait]
impl Lease for FakeLease {
    async fn claim(&self, key: &Key, _time_to_live: Duration) -> Result<Claim, Fault> {
        self.claims.increment();
        self.play().await?;
        let mut holders = self.holders();
        if holders.contains_key(key) {
            return Ok(Claim::HeldElsewhere);
        }
        let token = LeaseToken(format!("claim {}", self.claims.get()));
        holders.insert(key.clone(), token.clone());
        Ok(Claim::Granted(token))
    }

    async fn renew(&self, key: &Key, token: &LeaseToken, _time_to_live: Duration) -> Result<bool, Fault> {
        self.renewals.increment();
        self.play().await?;
        Ok(self.holders().get(key) == Some(token))
    }

    async fn release(&self, key: &Key, token: LeaseToken) -> Result<(), Fault> {
        self.releases.increment();
        self.play().await?;
        let mut holders = self.holders();
        if holders.get(key) == Some(&token) {
            holders.remove(key);
        }
        drop(holders);
        self.finished.notify_waiters();
        Ok(())
    }

    async fn finished(&self, _key: &Key) {
        self.finished.notified().await;
    }
}

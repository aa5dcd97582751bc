use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_redis::redis::cmd;
use mortar_actors::lock::{Claim, Lease, LeaseToken};
use mortar_actors::{Fault, Key};

use super::{Announcements, RedisServer};

/// Prolongs the lease if it is still ours.
const RENEW: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// Deletes the lease if it is still ours, and tells those who wait for it.
const RELEASE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], '')
return 1";

/// A lease for each key, in Redis: set if absent, with a random token and a time to live.
pub struct RedisLease {
    server: Arc<RedisServer>,
    announcements: Arc<Announcements>,
}

impl RedisLease {
    /// Leases on a server, given back by announcements on the same one.
    pub fn new(server: Arc<RedisServer>, announcements: Arc<Announcements>) -> Self {
        Self { server, announcements }
    }

    fn lease(&self, key: &Key) -> String {
        self.server.name("lease", key.as_str())
    }

    fn channel(&self, key: &Key) -> String {
        self.server.name("done", key.as_str())
    }

    async fn is_held(&self, key: &Key) -> Result<bool, Fault> {
        let mut exists = cmd("EXISTS");
        exists.arg(self.lease(key));
        self.server.ask(&exists).await
    }
}

#[async_trait]
impl Lease for RedisLease {
    async fn claim(&self, key: &Key, time_to_live: Duration) -> Result<Claim, Fault> {
        let token = format!("{:032x}", rand::random::<u128>());
        let mut set = cmd("SET");
        set.arg(self.lease(key)).arg(&token).arg("NX").arg("PX").arg(milliseconds(time_to_live));
        let granted: Option<String> = self.server.ask(&set).await?;
        Ok(granted.map_or(Claim::HeldElsewhere, |_| Claim::Granted(LeaseToken(token))))
    }

    async fn renew(&self, key: &Key, token: &LeaseToken, time_to_live: Duration) -> Result<bool, Fault> {
        let mut renew = cmd("EVAL");
        renew.arg(RENEW).arg(1).arg(self.lease(key)).arg(&token.0).arg(milliseconds(time_to_live));
        self.server.ask(&renew).await
    }

    async fn release(&self, key: &Key, token: LeaseToken) -> Result<(), Fault> {
        let mut release = cmd("EVAL");
        release.arg(RELEASE).arg(1).arg(self.lease(key)).arg(token.0).arg(self.channel(key));
        self.server.ask::<u64>(&release).await.map(drop)
    }

    async fn finished(&self, key: &Key) {
        let mut waiter = self.announcements.wait_on(&self.channel(key));
        waiter.hears().await;
        // It may have been given back before anyone heard it. When that cannot be asked, the flight had better look.
        if matches!(self.is_held(key).await, Ok(true)) {
            waiter.announced().await;
        }
    }
}

/// At least one, for Redis refuses a time of zero.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX >> 1).max(1)
}

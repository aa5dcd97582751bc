//! The lease in Redis: one holds it, the others hear when it is given back, and nobody waits for ever.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use harness::redis::{Redis, RedisCluster, config};
use harness::{PATIENCE, wait_for};
use mortar::adapters::{Announcements, RedisLease, RedisServer};
use mortar_actors::Key;
use mortar_actors::lock::{Claim, Lease, LeaseToken};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const TIME: Duration = Duration::from_secs(30);

/// One instance: its lease, and the task that listens for it.
struct Instance {
    lease: Arc<RedisLease>,
    announcements: Arc<Announcements>,
    listening: JoinHandle<()>,
}

impl Instance {
    fn of(redis: &Redis) -> Self {
        Self::with(&format!("type = \"redis\"\naddress = \"{}\"", redis.address()))
    }

    fn with(keys: &str) -> Self {
        let config = config(keys);
        let server = Arc::new(RedisServer::new(&config).unwrap());
        let announcements = Arc::new(Announcements::new(&config).unwrap());
        let listener = Arc::clone(&announcements);
        Self {
            lease: Arc::new(RedisLease::new(server, Arc::clone(&announcements))),
            announcements,
            listening: tokio::spawn(async move { listener.listen(None).await }),
        }
    }

    async fn claim(&self) -> Claim {
        self.lease.claim(&key(), TIME).await.unwrap()
    }

    async fn granted(&self) -> LeaseToken {
        match self.claim().await {
            Claim::Granted(token) => token,
            Claim::HeldElsewhere => panic!("nobody else was to hold it"),
        }
    }

    fn waits(&self) -> JoinHandle<()> {
        let lease = Arc::clone(&self.lease);
        tokio::spawn(async move { lease.finished(&key()).await })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn key() -> Key {
    Key::new("media\nbasic\nphoto.jpg")
}

/// The connections that only listen.
fn listeners(redis: &Redis) -> usize {
    redis.run::<String>(&["CLIENT", "LIST", "TYPE", "PUBSUB"]).lines().count()
}

fn channels(redis: &Redis) -> Vec<String> {
    redis.run(&["PUBSUB", "CHANNELS"])
}

async fn until(what: &str, condition: impl Fn() -> bool + Send + 'static) {
    let what = what.to_owned();
    tokio::task::spawn_blocking(move || wait_for(&what, || condition().then_some(()))).await.unwrap();
}

#[tokio::test]
async fn one_holds_it_and_the_next_gets_it_when_it_is_given_back() {
    let redis = Redis::start();
    let (one, other) = (Instance::of(&redis), Instance::of(&redis));
    let token = one.granted().await;
    assert_eq!(other.claim().await, Claim::HeldElsewhere);
    let left: i64 = redis.run(&["PTTL", "mortar:lease:media\nbasic\nphoto.jpg"]);
    assert!((1..=30_000).contains(&left), "{left}");
    one.lease.release(&key(), token).await.unwrap();
    other.granted().await;
}

#[tokio::test]
async fn it_is_renewed_and_given_back_by_its_holder_only() {
    let redis = Redis::start();
    let (one, other) = (Instance::of(&redis), Instance::of(&redis));
    let token = one.granted().await;
    assert!(one.lease.renew(&key(), &token, TIME * 10).await.unwrap());
    let left: i64 = redis.run(&["PTTL", "mortar:lease:media\nbasic\nphoto.jpg"]);
    assert!(left > 30_000, "{left}");
    let stranger = LeaseToken("stranger".to_owned());
    assert!(!other.lease.renew(&key(), &stranger, TIME).await.unwrap());
    other.lease.release(&key(), stranger).await.unwrap();
    assert_eq!(other.claim().await, Claim::HeldElsewhere);

    redis.run::<()>(&["FLUSHALL"]);
    let successor = other.granted().await;
    assert!(!one.lease.renew(&key(), &token, TIME).await.unwrap(), "it was lost");
    one.lease.release(&key(), token).await.unwrap();
    assert!(other.lease.renew(&key(), &successor, TIME).await.unwrap(), "the successor keeps it");
}

#[tokio::test]
async fn a_lease_whose_holder_died_runs_out() {
    let redis = Redis::start();
    let (one, other) = (Instance::of(&redis), Instance::of(&redis));
    assert!(matches!(one.lease.claim(&key(), Duration::from_millis(200)).await.unwrap(), Claim::Granted(_)));
    drop(one);
    wait_for("the lease to run out", || redis.keys("*").is_empty().then_some(()));
    other.granted().await;
}

#[tokio::test]
async fn those_who_wait_hear_when_it_is_given_back() {
    let redis = Redis::start();
    let (one, other) = (Instance::of(&redis), Instance::of(&redis));
    let token = one.granted().await;
    let waiting: Vec<_> = (0..10).map(|_| other.waits()).collect();
    let listening = Arc::clone(&other.announcements);
    until("all to wait", move || listening.stats().waiters == 10 && listening.stats().connected).await;
    one.lease.release(&key(), token).await.unwrap();
    for waiter in waiting {
        timeout(PATIENCE, waiter).await.unwrap().unwrap();
    }
    assert_eq!(other.announcements.stats().waiters, 0);
    assert_eq!(one.announcements.stats().connects, 0, "an instance where nobody waits needs no connection");
}

#[tokio::test]
async fn what_was_given_back_before_anyone_listened_is_not_waited_for() {
    let redis = Redis::start();
    let (one, other) = (Instance::of(&redis), Instance::of(&redis));
    let token = one.granted().await;
    assert_eq!(other.claim().await, Claim::HeldElsewhere);
    one.lease.release(&key(), token).await.unwrap();
    timeout(PATIENCE, other.lease.finished(&key())).await.unwrap();
}

/// 10,000 waits on a lease that another instance holds, all given up: one connection listens for all of them, and in
/// the end nobody is in the table and no channel subscribed to.
///
/// Red without the `Drop` of `Waiter` (`src/adapters/redis/waiters.rs`).
#[tokio::test]
async fn fault_21_ten_thousand_waits_that_are_given_up_leave_one_connection_and_nothing_else() {
    let redis = Arc::new(Redis::start());
    let (one, other) = (Instance::of(&redis), Instance::of(&redis));
    let keys: Vec<_> = (0..100).map(|number| Key::new(format!("{number}"))).collect();
    for key in &keys {
        assert!(matches!(one.lease.claim(key, TIME).await.unwrap(), Claim::Granted(_)));
    }
    for _ in 0..10 {
        let waits: Vec<_> = (0..1_000)
            .map(|number: usize| {
                let (lease, key) = (Arc::clone(&other.lease), keys[number % 100].clone());
                tokio::spawn(async move { lease.finished(&key).await })
            })
            .collect();
        let listening = Arc::clone(&other.announcements);
        until("all to wait", move || listening.stats().waiters == 1_000).await;
        assert!(listeners(&redis) <= 1);
        waits.iter().for_each(JoinHandle::abort);
        let listening = Arc::clone(&other.announcements);
        until("all to leave", move || listening.stats().waiters == 0).await;
    }
    let asked = Arc::clone(&redis);
    until("the channels to be left", move || channels(&asked).is_empty()).await;
    let stats = other.announcements.stats();
    assert_eq!((stats.connected, stats.connects, stats.channels), (true, 1, 0));
}

#[tokio::test]
async fn a_lost_connection_wakes_those_who_wait_and_comes_back_by_itself() {
    let redis = Arc::new(Redis::start());
    let (one, other) = (Instance::of(&redis), Instance::of(&redis));
    let token = one.granted().await;
    let waiting = other.waits();
    let asked = Arc::clone(&redis);
    until("it to listen", move || !channels(&asked).is_empty()).await;
    redis.run::<u64>(&["CLIENT", "KILL", "TYPE", "PUBSUB"]);
    timeout(PATIENCE, waiting).await.unwrap().unwrap();

    let waiting = other.waits();
    let asked = Arc::clone(&redis);
    until("it to listen again", move || !channels(&asked).is_empty()).await;
    one.lease.release(&key(), token).await.unwrap();
    timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(other.announcements.stats().connects, 2);
}

#[tokio::test]
async fn in_a_cluster_any_server_passes_announcements_on() {
    let cluster = Arc::new(RedisCluster::start());
    let keys = format!("type = \"redis-cluster\"\naddress = {}", cluster.addresses());
    let one = Instance::with(&keys);
    for node in 0..3 {
        let elsewhere = format!("type = \"redis-cluster\"\naddress = \"{}\"", cluster.0[node].address());
        let other = Instance::with(&elsewhere);
        let token = one.granted().await;
        assert_eq!(other.claim().await, Claim::HeldElsewhere);
        let waiting = other.waits();
        let asked = Arc::clone(&cluster);
        until("it to listen", move || !channels(&asked.0[node]).is_empty()).await;
        one.lease.release(&key(), token).await.unwrap();
        timeout(PATIENCE, waiting).await.unwrap().unwrap();
    }
}

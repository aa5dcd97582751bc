//! The marks in Redis by which instances know what is of an original that was replaced.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod harness;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use harness::redis::{Redis, RedisCluster, config};
use mortar::adapters::{Announcements, RedisCache, RedisCacheSettings, RedisEpochs, RedisServer};
use mortar_actors::cache::SharedCache;
use mortar_actors::epoch::{EpochSettings, Epochs, Mark, SharedEpochs};
use mortar_actors::{Deadline, EntityTag, Key, OriginalId, Originals, Rendition};
use tokio::task::JoinHandle;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
const SETTINGS: RedisCacheSettings =
    RedisCacheSettings { max_entry_bytes: 100_000, max_time_to_live: DAY, min_use_count: 1 };

/// What one instance has of Redis.
struct Instance {
    cache: RedisCache,
    marks: Arc<RedisEpochs>,
    announcements: Arc<Announcements>,
}

/// The epochs of an instance, and the task that hears what the others announce.
struct Hearing {
    epochs: Epochs,
    task: JoinHandle<()>,
}

impl Instance {
    fn of(redis: &Redis) -> Self {
        Self::with(&format!("type = \"redis\"\naddress = \"{}\"", redis.address()))
    }

    fn with(keys: &str) -> Self {
        let config = config(keys);
        let server = Arc::new(RedisServer::new(&config).unwrap());
        let announcements = Arc::new(Announcements::new(&config).unwrap());
        let heard = Arc::clone(&announcements);
        let marks = Arc::new(RedisEpochs::new(Arc::clone(&server), Arc::clone(&server), heard, DAY));
        Self { cache: RedisCache::new(server, SETTINGS), marks, announcements }
    }

    async fn mark(&self, key: &Key) -> Mark {
        self.marks.mark(key.original().unwrap()).await.unwrap()
    }

    /// Keeps a result under the mark of this moment.
    async fn keep(&self, key: &Key) {
        let mark = self.mark(key).await;
        assert!(self.cache.put(key, &picture(), MINUTE, mark).await.unwrap());
    }

    async fn has(&self, key: &Key) -> bool {
        self.cache.get(key).await.unwrap().is_some()
    }

    /// Begins to listen, and returns when it hears.
    async fn hears(&self) -> Hearing {
        let settings = EpochSettings { timeout: Duration::from_secs(5), ..EpochSettings::default() };
        let epochs = Epochs::new(settings, Some(Arc::clone(&self.marks) as Arc<dyn SharedEpochs>));
        let (announcements, told) = (Arc::clone(&self.announcements), epochs.clone());
        let task = tokio::spawn(async move { announcements.listen(Some(&told)).await });
        until("it to hear", || self.announcements.stats().connected).await;
        Hearing { epochs, task }
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn picture() -> Rendition {
    Rendition {
        body: b"picture".to_vec().into(),
        content_type: "image/jpeg".to_owned(),
        etag: EntityTag::new("abc"),
        last_modified: UNIX_EPOCH + MINUTE,
        width: None,
        height: None,
    }
}

fn result(original: &str) -> Key {
    Key::new(format!("small of {original}")).of(OriginalId::new(original))
}

fn one(original: &str) -> Originals {
    Originals::One(OriginalId::new(original))
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(harness::PATIENCE, met).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

async fn entries_end_with_their_originals(here: &Instance, there: &Instance) {
    let keys: Vec<_> = (0..30).map(|number| result(&format!("media/{number}.jpg"))).collect();
    let elsewhere = result("other/0.jpg");
    for key in keys.iter().chain([&elsewhere]) {
        here.keep(key).await;
        assert!(there.has(key).await);
    }
    let before = there.mark(&keys[0]).await;
    let token = here.marks.end(&one("media/0.jpg")).await.unwrap();
    assert!(there.mark(&keys[0]).await.has(token) && !before.has(token));
    assert!(!there.has(&keys[0]).await && there.has(&keys[1]).await);
    there.cache.put(&keys[0], &picture(), MINUTE, before).await.unwrap();
    assert!(!there.has(&keys[0]).await, "a late one of before is not read either");
    there.keep(&keys[0]).await;
    assert!(here.has(&keys[0]).await);

    let before = there.mark(&keys[0]).await;
    here.marks.recall(&one("media/0.jpg")).await.unwrap();
    assert!(!there.has(&keys[0]).await && there.has(&keys[1]).await, "a recall ends entries as well");
    assert!(there.mark(&keys[0]).await != before && there.mark(&keys[0]).await.has(token), "and replaces nothing");
    here.marks.recall(&one("media/1.jpg")).await.unwrap();
    assert!(!there.has(&keys[1]).await, "also where nothing was replaced in living memory");

    here.marks.end(&Originals::Beginning("media/".into())).await.unwrap();
    for key in &keys {
        assert!(!there.has(key).await, "{key}");
    }
    assert!(there.has(&elsewhere).await, "another bucket has nothing to do with it");
}

#[tokio::test]
async fn an_entry_is_not_read_once_its_original_was_replaced() {
    let redis = Redis::start();
    entries_end_with_their_originals(&Instance::of(&redis), &Instance::of(&redis)).await;
}

#[tokio::test]
async fn in_a_cluster_as_well() {
    let cluster = RedisCluster::start();
    let instance = || Instance::with(&format!("type = \"redis-cluster\"\naddress = {}", cluster.addresses()));
    entries_end_with_their_originals(&instance(), &instance()).await;
}

#[tokio::test]
async fn a_mark_outlives_every_entry_it_outdates() {
    let redis = Redis::start();
    let instance = Instance::of(&redis);
    instance.marks.end(&one("media/a.jpg")).await.unwrap();
    instance.marks.end(&Originals::Beginning("media/dir/".into())).await.unwrap();
    instance.marks.recall(&one("media/b.jpg")).await.unwrap();
    let marks = redis.keys("mortar:mark:*");
    assert!(marks.len() > 1);
    for mark in marks {
        let left: i64 = redis.run(&["PTTL", &mark]);
        assert!(left > DAY.as_millis() as i64 - 60_000, "{mark}: {left}");
    }
}

#[tokio::test]
async fn instances_hear_of_each_others_replacements_and_not_of_their_own() {
    let redis = Redis::start();
    let (here, there) = (Instance::of(&redis), Instance::of(&redis));
    let (one_of, other) = (here.hears().await, there.hears().await);
    let (key, kept) = (result("media/a.jpg"), result("media/b.jpg"));
    let (told, untold) = (other.epochs.enter(&key), other.epochs.enter(&kept));
    let closed = one_of.epochs.close(one("media/a.jpg"), Deadline::within(MINUTE)).await;
    assert!(closed.reopen().await);
    let own = one_of.epochs.enter(&key);
    until("the other to hear", || told.is_over()).await;
    assert!(!untold.is_over());
    until("its own announcements to be heard", || here.announcements.stats().heard == 2).await;
    assert!(!own.is_over(), "what was begun since is not ended by them");
}

/// Else everything in memory would be dropped whenever nothing is announced for a while.
#[tokio::test]
async fn a_connection_that_answers_is_kept_however_little_is_announced() {
    let redis = Redis::start();
    let before = redis.calls("ping");
    let instance = Instance::of(&redis);
    let hearing = instance.hears().await;
    let epoch = hearing.epochs.enter(&result("media/a.jpg"));
    until("it to be tried twice", || redis.calls("ping") >= before + 2).await;
    assert!(instance.announcements.stats().connects == 1 && !epoch.is_over());
}

#[tokio::test]
async fn one_that_could_not_hear_for_a_while_ends_every_epoch() {
    let mut redis = Redis::start();
    let instance = Instance::of(&redis);
    let hearing = instance.hears().await;
    let epoch = hearing.epochs.enter(&result("media/a.jpg"));
    redis.kill();
    until("the connection to be lost", || !instance.announcements.stats().connected).await;
    assert!(!epoch.is_over(), "as long as Redis is away nobody can tell");
    redis.revive();
    until("it to hear again", || epoch.is_over()).await;
}

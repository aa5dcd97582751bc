//! The whole tree with all of its fakes, and what a request does with it: the stages of the program's pipeline.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::Arbiter;
use bytes::Bytes;
use mortar_actors::cache::{CacheHandle, CacheSettings};
use mortar_actors::epoch::{Epoch, EpochSettings, Epochs, Mark};
use mortar_actors::fakes::{FakeEpochs, FakeLease, FakeSharedCache, FakeStores, Gauge, rendition};
use mortar_actors::lock::{Errand, FlightContext, LockHandle, LockSettings};
use mortar_actors::storage::{StorageHandle, StorageSettings};
use mortar_actors::store_back::{StoreBackHandle, StoreBackItem, StoreBackSettings};
use mortar_actors::transform::{Estimate, TransformHandle, TransformSettings};
use mortar_actors::{
    BreakerSettings, ChildState, Deadline, Fault, Key, ObjectKey, ObjectMeta, OriginalId, Originals, Owner, Rendition,
    StoreId, SupervisionSettings, Tree,
};

use crate::clockwork::{Clockwork, Conduct, Job};
use crate::ledger::Ledger;

/// Where originals are.
pub(crate) const ORIGINALS: &str = "originals";
/// Where results are.
pub(crate) const RESULTS: &str = "results";
/// The longest write of a result.
const WRITE: Duration = Duration::from_secs(1);

/// What is asked for: a plan of an original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) original: &'static str,
    pub(crate) plan: u8,
}

/// How the next render behaves, and what it is expected to cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) conduct: Conduct,
    pub(crate) estimate: Estimate,
}

/// A small instance: every bound is reached.
pub(crate) struct Service {
    pub(crate) tree: Tree,
    pub(crate) storage: StorageHandle,
    pub(crate) cache: CacheHandle,
    pub(crate) lock: LockHandle<Arc<Rendition>>,
    pub(crate) transform: TransformHandle<Clockwork>,
    store_back: StoreBackHandle,
    epochs: Epochs,
    pub(crate) stores: Arc<FakeStores>,
    pub(crate) lease: Arc<FakeLease>,
    pub(crate) shared_cache: Arc<FakeSharedCache>,
    pub(crate) marks: Arc<FakeEpochs>,
    pub(crate) clockwork: Clockwork,
    pub(crate) payloads: Gauge,
    pub(crate) manner: Mutex<Manner>,
    pub(crate) ledger: Ledger,
}

impl Wish {
    pub(crate) fn key(&self) -> Key {
        Key::new(self.result()).of(OriginalId::new(self.original))
    }

    fn result(&self) -> String {
        format!("{}/{}", self.original, self.plan)
    }

    fn plan(&self) -> String {
        format!("plan {}", self.plan)
    }

    fn owner(&self) -> Owner {
        Owner::new(OriginalId::new(self.original).bucket())
    }

    /// Whether it is answered rightly.
    pub(crate) fn is_met(&self, ledger: &Ledger, body: &[u8], oldest: u64) -> bool {
        ledger.is_right(body, &self.plan(), self.original, oldest)
    }
}

impl Service {
    pub(crate) async fn start(seed: u64) -> Arc<Self> {
        let breaker = BreakerSettings { failures: 5, cool_down: Duration::from_millis(500) };
        let (stores, lease, marks) = (FakeStores::new(), FakeLease::new(), FakeEpochs::new());
        let (shared_cache, clockwork) = (FakeSharedCache::minding(&marks), Clockwork::default());
        let epoch_settings = EpochSettings { breaker, ..EpochSettings::default() };
        let epochs = Epochs::new(epoch_settings, Some(Arc::clone(&marks) as _));
        epochs.all_is_heard();
        let supervision = SupervisionSettings { budget: 1_000, jitter_seed: Some(seed), ..Default::default() };
        let mut builder = Tree::builder(Arbiter::current()).supervision(supervision).epochs(epochs.clone());
        let storage = builder.storage(storage_settings(breaker), stores.opener());
        let cache = builder.cache(cache_settings(breaker), Some(Arc::clone(&shared_cache) as _));
        // Every third one has no others to share a lease with.
        let shared = (!seed.is_multiple_of(3)).then(|| Arc::clone(&lease) as _);
        let lock = builder.lock(lock_settings(breaker), shared);
        let engine = clockwork.clone();
        let transform = builder.transform(transform_settings(), move || engine.clone());
        let back = StoreBackSettings { items: 3, writers: 2, write_timeout: WRITE, ..StoreBackSettings::default() };
        let store_back = builder.store_back(back, storage.clone());
        let tree = builder.start().await.unwrap();
        let manner = Mutex::new(Manner::quick());
        let (payloads, ledger) = (Gauge::default(), Ledger::default());
        Arc::new(Self {
            tree,
            storage,
            cache,
            lock,
            transform,
            store_back,
            epochs,
            stores,
            lease,
            shared_cache,
            marks,
            clockwork,
            payloads,
            manner,
            ledger,
        })
    }

    /// Answers a request.
    pub(crate) async fn serve(self: &Arc<Self>, wish: &Wish, deadline: Deadline) -> Result<Bytes, Fault> {
        let key = wish.key();
        if let Some(hit) = self.cache.lookup(&key, deadline).await {
            return Ok(hit.body.clone());
        }
        let (maker, seeker, keeper) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        let (made, sought, kept) = (wish.clone(), wish.clone(), wish.clone());
        let errand = Errand::new(move |flight| Arc::clone(&maker).make(made.clone(), flight))
            .looking(move |epoch| Arc::clone(&seeker).look(sought.clone(), epoch))
            .publishing(move |result, epoch| keeper.keep(&kept, result, epoch));
        Ok(self.lock.join(&key, deadline, errand).await?.body.clone())
    }

    async fn make(self: Arc<Self>, wish: Wish, flight: FlightContext) -> Result<Arc<Rendition>, Fault> {
        let (key, deadline) = (wish.key(), flight.deadline);
        let _run = self.ledger.run(&key, &flight.epoch);
        if flight.look_again
            && let Some(hit) = self.cache.lookup(&key, deadline).await
        {
            return Ok(hit);
        }
        if let Some(stored) = self.stored(&wish, &flight.epoch, deadline).await? {
            return Ok(stored);
        }
        let announced = self.transform.announce(&wish.owner())?;
        let original = ObjectKey::new(wish.original);
        let source = self.storage.load(&StoreId::new(ORIGINALS), &original, 1_000, deadline).await?.bytes;
        let Manner { conduct, estimate } = *self.manner.lock().unwrap();
        let job = Job { source, plan: wish.plan(), conduct, estimate, _payload: self.payloads.count() };
        drop(announced);
        Ok(rendition(self.transform.render(&key, &wish.owner(), job, deadline).await?))
    }

    async fn look(self: Arc<Self>, wish: Wish, epoch: Epoch) -> Option<Arc<Rendition>> {
        let deadline = Deadline::within(Duration::from_millis(500));
        if let Some(hit) = self.cache.lookup(&wish.key(), deadline).await {
            return Some(hit);
        }
        self.stored(&wish, &epoch, deadline).await.ok().flatten()
    }

    async fn stored(&self, wish: &Wish, epoch: &Epoch, deadline: Deadline) -> Result<Option<Arc<Rendition>>, Fault> {
        let name = ObjectKey::new(wish.result());
        match self.storage.load(&StoreId::new(RESULTS), &name, 1_000, deadline).await {
            Ok(loaded) => {
                let stored = rendition(loaded.bytes);
                drop(self.cache.insert(wish.key(), Arc::clone(&stored), time_to_live(wish), epoch));
                Ok(Some(stored))
            }
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn keep(&self, wish: &Wish, result: &Arc<Rendition>, epoch: &Epoch) -> impl Future<Output = ()> + use<> {
        let sharing = self.cache.insert(wish.key(), Arc::clone(result), time_to_live(wish), epoch);
        let storing = self.store_back.offer(StoreBackItem {
            store: StoreId::new(RESULTS),
            key: ObjectKey::new(wish.result()),
            meta: ObjectMeta::default(),
            rendition: Arc::clone(result),
            marker: ObjectKey::new(format!("markers/{}", wish.result())),
            epoch: epoch.clone(),
        });
        async move {
            if !sharing.is_found_by_others().await {
                storing.is_stored().await;
            }
        }
    }

    /// What the lease on a wish is called at the moment.
    pub(crate) fn leased_name(&self, wish: &Wish) -> Key {
        match self.marks.current(&OriginalId::new(wish.original)) {
            none if none == Mark::default() => wish.key(),
            mark => Key::new(format!("{}@{mark}", wish.key())),
        }
    }

    /// Puts a new version in the place of an original, and nothing else.
    pub(crate) fn write(&self, original: &str) {
        let mut bytes = self.ledger.write(original);
        let start = bytes.split_to(1);
        self.stores.replace(original, vec![start, bytes]);
    }

    /// Puts a new version in the place of an original, and removes what was derived from the old one. Tries again until
    /// the marks have it.
    pub(crate) async fn replace(&self, original: &'static str) {
        let originals = Originals::One(OriginalId::new(original));
        self.write(original);
        loop {
            let closed = self.epochs.close(originals.clone(), Deadline::within(4 * WRITE)).await;
            if !closed.settled {
                self.ledger.wrong(format!("results of {original} are still being written"));
            }
            self.transform.let_out(&originals);
            self.stores.remove_beginning(&format!("{original}/"));
            let told = closed.token.is_some();
            if closed.reopen().await && told {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.ledger.settle(original);
    }

    /// As [`Service::replace`], on another instance, which tells this one of it later.
    pub(crate) async fn replace_elsewhere(&self, original: &'static str, told_after: Duration) {
        let originals = Originals::One(OriginalId::new(original));
        self.write(original);
        for _ in 0..2 {
            self.marks.end_elsewhere(&originals);
            self.stores.remove_beginning(&format!("{original}/"));
        }
        tokio::time::sleep(told_after).await;
        self.epochs.end_here(&originals);
        // What was being written here meanwhile may yet be found, until it is seen to be old and removed.
        tokio::time::sleep(3 * WRITE).await;
        self.ledger.settle(original);
    }

    /// Whether the actor is there to be asked.
    pub(crate) fn is_up(&self, actor: &str) -> bool {
        self.tree.stats().child(actor).is_some_and(|child| child.state == ChildState::Running)
    }

    /// What was written until now is known not to have missed an announcement: that takes two answers.
    fn hear_all(&self) {
        self.epochs.all_is_heard();
        self.epochs.all_is_heard();
    }

    /// From now on nothing fails.
    pub(crate) fn mend(&self) {
        use mortar_actors::fakes::Script::Works;
        self.stores.mend();
        self.lease.script(Works);
        self.shared_cache.script(Works);
        self.marks.script(Works);
        self.hear_all();
        *self.manner.lock().unwrap() = Manner::quick();
    }
}

impl Manner {
    pub(crate) fn quick() -> Self {
        Self::taking(Duration::ZERO)
    }

    pub(crate) fn taking(time: Duration) -> Self {
        Self { conduct: Conduct::Takes(time), estimate: Estimate { memory_bytes: 1, work: 1 } }
    }
}

/// A second to many, so that some entries grow old within a schedule.
fn time_to_live(wish: &Wish) -> Duration {
    Duration::from_secs(1 << (2 * wish.plan))
}

fn storage_settings(breaker: BreakerSettings) -> StorageSettings {
    StorageSettings {
        reads: 6,
        write_backs: 2,
        buffered_bytes: 3 << 10,
        client_idle: Duration::from_millis(900),
        health_interval: Duration::from_millis(300),
        health_timeout: Duration::from_millis(200),
        breaker,
        ..StorageSettings::default()
    }
}

fn cache_settings(breaker: BreakerSettings) -> CacheSettings {
    CacheSettings { memory_bytes: 2_000, max_entry_bytes: 1_000, lookups: 4, writes: 3, breaker, ..Default::default() }
}

fn lock_settings(breaker: BreakerSettings) -> LockSettings {
    LockSettings {
        max_flights: 6,
        max_waiters_per_key: 8,
        joins: 10,
        flight_timeout: Duration::from_secs(2),
        lease_time_to_live: Duration::from_millis(600),
        lease_poll: Duration::from_millis(100),
        lease_timeout: Duration::from_millis(50),
        breaker,
    }
}

fn transform_settings() -> TransformSettings {
    TransformSettings {
        running: 2,
        queued: 3,
        reserved: 1,
        large_work: 1_000,
        memory_bytes: 8 << 10,
        quarantine: Duration::from_millis(500),
        stuck_after: Duration::from_millis(300),
        ..TransformSettings::for_cores(2)
    }
}

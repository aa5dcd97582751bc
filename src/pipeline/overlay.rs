//! Watermarks: where they may come from, and how long a fetched one is kept.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use mortar_actors::storage::StorageHandle;
use mortar_actors::{Deadline, Fault, FaultKind, Gate, OriginalId, Originals, Permit};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use crate::adapters::GuardedClient;
use crate::adapters::raster::overlay::Overlay;
use crate::config::LimitsConfig;
use crate::domain::plan::Plan;
use crate::domain::{Buckets, Location, resolve};

/// What watermarks may be, and how many are kept.
#[derive(Clone, Debug)]
pub struct OverlaySettings {
    /// Hosts that a watermark may be fetched from, in lower case.
    pub allowed_hosts: Vec<String>,
    /// What a watermark may cost.
    pub limits: LimitsConfig,
    /// Most watermarks kept.
    pub items: NonZeroUsize,
    /// Most bytes of kept watermarks, as fetched and as decoded pixels together. Half as much again, and room for four
    /// of the largest at least, may be fetched or used besides.
    pub cache_bytes: u64,
    /// How long one is kept before it is fetched again.
    pub time_to_live: Duration,
}

/// Fetches watermarks through the same storages and address rules as originals, and keeps them decoded.
pub struct Overlays {
    settings: OverlaySettings,
    buckets: Arc<Buckets>,
    client: Arc<GuardedClient>,
    /// Bytes as fetched, of all that anybody fetches, keeps or uses. Those who wait are bounded by the flights.
    admitted: Gate,
    // A plain mutex: it is held for a look-up, never across an await.
    kept: Mutex<LruCache<String, Slot>>,
}

/// A watermark that is kept, or that one request fetches while others wait for it. A failure is told to those who
/// waited, and to nobody after them; when the one who fetches leaves, the next one goes on.
type Slot = Arc<OnceCell<Result<Kept, Fault>>>;

/// Bytes that own the permit they were admitted by, until the last use of the watermark is over.
struct Admitted {
    bytes: Bytes,
    _permit: Permit,
}

#[derive(Debug)]
struct Kept {
    overlay: Arc<Overlay>,
    fetched: Instant,
}

impl Overlays {
    /// An empty set of watermarks.
    pub fn new(settings: OverlaySettings, buckets: Arc<Buckets>, client: Arc<GuardedClient>) -> Self {
        const LARGEST_BESIDES: u64 = 4;
        let kept = Mutex::new(LruCache::new(settings.items));
        let besides = (settings.cache_bytes / 2).max(LARGEST_BESIDES * settings.limits.watermark_bytes);
        let admitted = Gate::bytes("bytes of watermarks", settings.cache_bytes.saturating_add(besides));
        Self { settings, buckets, client, admitted, kept }
    }

    /// The bound on the bytes of watermarks, for whoever looks.
    pub fn gate(&self) -> &Gate {
        &self.admitted
    }

    /// The watermarks of a plan, one for each step that has one, in the order of the steps.
    ///
    /// # Errors
    /// `Forbidden` for a host that is not allowed, `Invalid` for an address that names no picture, `TooLarge`,
    /// `Overloaded` when too many bytes of watermarks are in use, and whatever the store or origin reported.
    pub async fn for_plan(
        &self,
        storage: &StorageHandle,
        plan: &Plan,
        deadline: Deadline,
    ) -> Result<Vec<Arc<Overlay>>, Fault> {
        let mut overlays = Vec::new();
        for watermark in plan.steps.iter().filter_map(|step| step.watermark.as_ref()) {
            overlays.push(self.overlay(storage, &watermark.image, deadline).await?);
        }
        Ok(overlays)
    }

    async fn overlay(&self, storage: &StorageHandle, image: &str, deadline: Deadline) -> Result<Arc<Overlay>, Fault> {
        let slot = self.slot(image);
        let fetched = slot.get_or_init(|| self.fetch(storage, image, deadline));
        match tokio::time::timeout_at(deadline.instant(), fetched).await {
            Ok(Ok(kept)) => {
                self.make_room();
                Ok(Arc::clone(&kept.overlay))
            }
            Ok(Err(fault)) => Err(blame_the_watermark(fault.clone())),
            Err(_) => Err(Fault::new(FaultKind::TimedOut, "the watermark did not arrive in time")),
        }
    }

    /// Lets go of watermarks that have been replaced; they are fetched anew.
    pub(super) fn forget(&self, originals: &Originals) {
        let is_one = |image: &str| {
            let resolved = image.strip_prefix('/').and_then(|_| resolve(&self.buckets, image, "").ok());
            resolved.is_some_and(|it| originals.contains(&OriginalId::in_bucket(it.bucket.name(), &it.object.key)))
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced: Vec<_> = kept.iter().map(|(image, _)| image).filter(|image| is_one(image)).cloned().collect();
        for image in replaced {
            kept.pop(&image);
        }
    }

    async fn fetch(&self, storage: &StorageHandle, image: &str, deadline: Deadline) -> Result<Kept, Fault> {
        let bytes = self.read(storage, image, deadline).await?;
        let overlay = Arc::new(Overlay::new(bytes, &self.settings.limits)?);
        Ok(Kept { overlay, fetched: Instant::now() })
    }

    /// Reads a watermark, admitted as the largest that it may be until it is known how large it is.
    async fn read(&self, storage: &StorageHandle, image: &str, deadline: Deadline) -> Result<Bytes, Fault> {
        let mut permit = self.admitted.enter(self.settings.limits.watermark_bytes, deadline).await?;
        let bytes = match image.strip_prefix('/') {
            Some(_) => self.read_from_bucket(storage, image, deadline).await?,
            None => self.fetch_from_host(image, deadline).await?,
        };
        permit.shrink_to(bytes.len() as u64);
        Ok(Bytes::from_owner(Admitted { bytes, _permit: permit }))
    }

    async fn read_from_bucket(&self, storage: &StorageHandle, path: &str, deadline: Deadline) -> Result<Bytes, Fault> {
        let resolved = resolve(&self.buckets, path, "")?;
        if resolved.derived.is_some() {
            return Err(Fault::new(FaultKind::Invalid, "it must be an original, not the result of a transform"));
        }
        let Location { store, key } = &resolved.object;
        let loaded = storage.load(store, key, self.settings.limits.watermark_bytes, deadline).await?;
        Ok(loaded.bytes)
    }

    async fn fetch_from_host(&self, address: &str, deadline: Deadline) -> Result<Bytes, Fault> {
        let url = Url::parse(address).map_err(|cause| {
            Fault::new(FaultKind::Invalid, "it is neither an http address nor /bucket/key").caused_by(cause)
        })?;
        // Asked of the first address and of every one that it redirects to.
        let allowed = |url: &Url| {
            url.host_str().is_some_and(|host| self.settings.allowed_hosts.iter().any(|allowed| allowed == host))
        };
        let limit = self.settings.limits.watermark_bytes;
        self.client.fetch_url(&url, limit, deadline, &allowed).await?.body.collect(limit).await
    }

    /// The slot of a watermark that is fresh or on its way; a new one where there is none.
    fn slot(&self, image: &str) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = kept.get(image).filter(|slot| self.serves(slot)) {
            return Arc::clone(slot);
        }
        let slot = Slot::default();
        kept.put(image.to_owned(), Arc::clone(&slot));
        slot
    }

    fn serves(&self, slot: &Slot) -> bool {
        match slot.get() {
            None => true,
            Some(Ok(kept)) => kept.fetched.elapsed() < self.settings.time_to_live,
            Some(Err(_)) => false,
        }
    }

    fn make_room(&self) {
        let weight =
            |slot: &Slot| slot.get().and_then(|kept| kept.as_ref().ok()).map_or(0, |kept| kept.overlay.weight());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.iter().map(|(_, slot)| weight(slot)).sum::<u64>() > self.settings.cache_bytes {
            kept.pop_lru();
        }
    }
}

impl AsRef<[u8]> for Admitted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The requester learns that it was the watermark; a missing one is not a missing picture.
fn blame_the_watermark(fault: Fault) -> Fault {
    let kind = match fault.kind() {
        FaultKind::NotFound => FaultKind::Invalid,
        kind => kind,
    };
    let wait = fault.wait_before_retry();
    let blamed = Fault::new(kind, format!("watermark: {}", fault.message())).caused_by(fault);
    wait.into_iter().fold(blamed, Fault::retry_after)
}

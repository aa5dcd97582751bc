//! Watermarks: where they may come from, and how long a fetched one is kept.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use mortar_actors::storage::StorageHandle;
use mortar_actors::{Deadline, Fault, FaultKind};
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
    /// Most bytes of kept watermarks, as fetched and as decoded pixels together.
    pub cache_bytes: u64,
    /// How long one is kept before it is fetched again.
    pub time_to_live: Duration,
}

/// Fetches watermarks through the same storages and address rules as originals, and keeps them decoded.
pub struct Overlays {
    settings: OverlaySettings,
    buckets: Arc<Buckets>,
    client: Arc<GuardedClient>,
    // A plain mutex: it is held for a look-up, never across an await.
    kept: Mutex<LruCache<String, Kept>>,
}

#[derive(Clone)]
struct Kept {
    overlay: Arc<Overlay>,
    fetched: Instant,
}

impl Overlays {
    /// An empty set of watermarks.
    pub fn new(settings: OverlaySettings, buckets: Arc<Buckets>, client: Arc<GuardedClient>) -> Self {
        let kept = Mutex::new(LruCache::new(settings.items));
        Self { settings, buckets, client, kept }
    }

    /// The watermarks of a plan, one for each step that has one, in the order of the steps.
    ///
    /// # Errors
    /// `Forbidden` for a host that is not allowed, `Invalid` for an address that names no picture, `TooLarge`, and
    /// whatever the store or origin reported.
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
        if let Some(kept) = self.fresh(image) {
            return Ok(kept);
        }
        let bytes = match image.strip_prefix('/') {
            Some(_) => self.read_from_bucket(storage, image, deadline).await,
            None => self.fetch_from_host(image, deadline).await,
        };
        let overlay =
            bytes.and_then(|bytes| Overlay::new(bytes, &self.settings.limits)).map_err(blame_the_watermark)?;
        let overlay = Arc::new(overlay);
        self.keep(image, Arc::clone(&overlay));
        Ok(overlay)
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

    fn fresh(&self, image: &str) -> Option<Arc<Overlay>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(image)?;
        if found.fetched.elapsed() < self.settings.time_to_live {
            return Some(Arc::clone(&found.overlay));
        }
        kept.pop(image);
        None
    }

    fn keep(&self, image: &str, overlay: Arc<Overlay>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(image.to_owned(), Kept { overlay, fetched: Instant::now() });
        while kept.iter().map(|(_, kept)| kept.overlay.weight()).sum::<u64>() > self.settings.cache_bytes {
            kept.pop_lru();
        }
    }
}

/// The requester learns that it was the watermark; a missing one is not a missing picture.
fn blame_the_watermark(fault: Fault) -> Fault {
    let kind = match fault.kind() {
        FaultKind::NotFound => FaultKind::Invalid,
        kind => kind,
    };
    Fault::new(kind, format!("watermark: {}", fault.message())).caused_by(fault)
}

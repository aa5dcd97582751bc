//! The life of a request for a picture, once its URL is understood.
//!
//! [`Pipeline::serve`] reads like the sentence that describes it; each stage is a function in the file with its name.

mod change;
mod flight;
mod invalidate;
mod lookup;
mod original;
mod overlay;
mod placeholder;
mod recover;
mod rendition;
mod store_back;
mod variants;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mortar_actors::cache::CacheHandle;
use mortar_actors::epoch::Epochs;
use mortar_actors::lock::LockHandle;
use mortar_actors::storage::StorageHandle;
use mortar_actors::store_back::StoreBackHandle;
use mortar_actors::transform::TransformHandle;
use mortar_actors::{Deadline, Fault, Rendition};
use serde::Serialize;

use crate::adapters::raster::engine::RasterEngine;
use crate::domain::{Buckets, Derived, Resolved};

pub use invalidate::Invalidation;
pub use overlay::{OverlaySettings, Overlays};
pub use placeholder::Placeholder;
pub use recover::Recovery;
pub use variants::{Variant, VariantPage};

/// Everything a request passes on its way. Built once by the application; shared by all workers.
pub struct Pipeline {
    /// How URLs are understood, and thereby which buckets hold results of which originals.
    pub routes: Arc<Buckets>,
    /// The one door to all stores.
    pub storage: StorageHandle,
    /// Finished results, in memory and in the level that instances share.
    pub cache: CacheHandle,
    /// Tells what was derived from an original before it was replaced.
    pub epochs: Epochs,
    /// Joins identical requests.
    pub flights: LockHandle<Arc<Served>>,
    /// Renders pictures.
    pub transform: TransformHandle<RasterEngine>,
    /// Writes results to their store after the answer.
    pub store_back: StoreBackHandle,
    /// Watermarks, fetched and kept.
    pub overlays: Overlays,
    /// Shown instead of a failed transform, where one is configured.
    pub placeholder: Option<Placeholder>,
    /// How bodies are read and results kept.
    pub settings: PipelineSettings,
}

/// Numbers of the pipeline.
#[derive(Clone, Debug)]
pub struct PipelineSettings {
    /// Largest original that is read into memory for a render, in bytes.
    pub source_bytes: u64,
    /// Largest stored result that is read back, in bytes.
    pub result_bytes: u64,
    /// How long a result is kept in the cache whose answer names no `max-age`.
    pub default_time_to_live: Duration,
    /// How long results of a bucket are kept whose answers do, by its name.
    pub times_to_live: BTreeMap<String, Duration>,
}

/// The result of a transform, and how it was come by.
#[derive(Clone, Debug)]
pub struct Served {
    /// The result itself.
    pub rendition: Arc<Rendition>,
    /// Which tier answered.
    pub tier: Tier,
    /// How long each stage took, in the order of the stages. Empty for a hit.
    pub stages: Vec<Stage>,
}

/// One stage on the way to a result.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Stage {
    /// What was done.
    pub name: &'static str,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// Where a result came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The memory of this instance.
    Memory,
    /// The cache level that instances share.
    SharedCache,
    /// The store of results.
    ResultStore,
    /// Made for this request, or for one that was joined.
    Rendered,
    /// The placeholder took the place of a failed transform.
    Placeholder,
}

impl Pipeline {
    /// Answers a request for the result of a transform: from the cache, or from a flight that looks into the result
    /// store, reads the original, renders it, hands it out, and has it stored back.
    ///
    /// # Errors
    /// Whatever the failing stage reported; only a missing original is `NotFound`.
    pub async fn serve(
        self: &Arc<Self>,
        resolved: &Resolved,
        derived: &Derived,
        deadline: Deadline,
    ) -> Result<Arc<Served>, Fault> {
        if derived.check_parent {
            original::must_exist(self, &derived.root, deadline).await?;
        }
        if let Some(hit) = lookup::cached(self, &derived.key, deadline).await {
            return Ok(hit);
        }
        flight::join(self, resolved, derived, deadline).await
    }
}

impl PipelineSettings {
    /// How long a result of a bucket is kept in the cache.
    fn time_to_live(&self, bucket: &str) -> Duration {
        self.times_to_live.get(bucket).copied().unwrap_or(self.default_time_to_live)
    }
}

impl Stage {
    /// A stage that took `elapsed`.
    pub fn new(name: &'static str, elapsed: Duration) -> Self {
        Self { name, micros: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) }
    }
}

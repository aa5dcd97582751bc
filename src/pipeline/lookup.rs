//! Results that exist already: in the cache, or in the result store.

use std::sync::Arc;
use std::time::Duration;

use mortar_actors::epoch::Epoch;
use mortar_actors::{Deadline, Fault, FaultKind, Key, Rendition};
use tokio::time::Instant;

use super::{Pipeline, Served, Stage, Tier, rendition};
use crate::domain::Location;

/// How what is found in the result store is kept in the cache.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    pub(super) key: &'a Key,
    pub(super) time_to_live: Duration,
    /// Entered before the store is read.
    pub(super) epoch: &'a Epoch,
}

/// Looks into the cache: memory on this very thread, then whatever level instances share.
pub(super) async fn cached(pipeline: &Pipeline, key: &Key, deadline: Deadline) -> Option<Arc<Served>> {
    if let Some(rendition) = pipeline.cache.peek(key) {
        return Some(hit(rendition, Tier::Memory));
    }
    let rendition = pipeline.cache.lookup(key, deadline).await?;
    Some(hit(rendition, Tier::SharedCache))
}

/// Looks into the result store. What it finds goes into the cache.
///
/// A store that fails is reported; only "not found" is a miss, or an outage would become a storm of renders.
pub(super) async fn stored(
    pipeline: &Pipeline,
    object: &Location,
    kept: Kept<'_>,
    deadline: Deadline,
) -> Result<Option<Arc<Served>>, Fault> {
    let started = Instant::now();
    let (Location { store, key: name }, Kept { key, time_to_live, epoch }) = (object, kept);
    let loaded = match pipeline.storage.load(store, name, pipeline.settings.result_bytes, deadline).await {
        Ok(loaded) => loaded,
        Err(fault) if fault.is_not_found() => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let rendition = match rendition::from_store(loaded.bytes, loaded.meta.last_modified).await {
        Ok(rendition) => Arc::new(rendition),
        Err(fault) if fault.kind() == FaultKind::Restarting => return Err(fault),
        Err(fault) => {
            tracing::warn!(%key, %fault, "a stored result is no picture; it is made again");
            return Ok(None);
        }
    };
    pipeline.cache.insert(key.clone(), Arc::clone(&rendition), time_to_live, epoch);
    let stages = vec![Stage::new("result store", started.elapsed())];
    Ok(Some(Arc::new(Served { rendition, tier: Tier::ResultStore, stages })))
}

fn hit(rendition: Arc<Rendition>, tier: Tier) -> Arc<Served> {
    Arc::new(Served { rendition, tier, stages: Vec::new() })
}

//! One flight makes one result, for everyone who asks for it meanwhile.

use std::sync::Arc;
use std::time::Duration;

use mortar_actors::epoch::Epoch;
use mortar_actors::lock::{Errand, FlightContext};
use mortar_actors::{Deadline, Fault, Owner};
use tokio::time::Instant;

use super::lookup::Kept;
use super::{Pipeline, Served, Stage, Tier, lookup, original, rendition, store_back};
use crate::adapters::raster::engine::RenderJob;
use crate::domain::{Bucket, Derived, Location, Resolved};

/// How long looking for another instance's result may take before the flight asks for the lease again.
const LOOK: Duration = Duration::from_secs(2);

/// What a flight is for.
struct Wanted {
    pipeline: Arc<Pipeline>,
    bucket: Arc<Bucket>,
    object: Location,
    derived: Derived,
}

impl Wanted {
    /// How long the result is kept in the cache.
    fn time_to_live(&self) -> Duration {
        self.pipeline.settings.time_to_live(self.bucket.name())
    }
}

/// Joins the flight for a result, or starts it.
pub(super) async fn join(
    pipeline: &Arc<Pipeline>,
    resolved: &Resolved,
    derived: &Derived,
    deadline: Deadline,
) -> Result<Arc<Served>, Fault> {
    let wanted = Arc::new(Wanted {
        pipeline: Arc::clone(pipeline),
        bucket: Arc::clone(&resolved.bucket),
        object: resolved.object.clone(),
        derived: derived.clone(),
    });
    let sought = Arc::clone(&wanted);
    let kept = Arc::clone(&wanted);
    let errand = Errand::new(move |flight| make(Arc::clone(&wanted), flight))
        .looking(move |epoch| look_elsewhere(Arc::clone(&sought), epoch))
        .publishing(move |served, epoch| keep(&kept, served, epoch));
    pipeline.flights.join(&derived.key, deadline, errand).await
}

/// The stages of a flight: result store, original, overlays, render. The original is dropped before the result is kept
/// and handed out.
async fn make(wanted: Arc<Wanted>, flight: FlightContext) -> Result<Arc<Served>, Fault> {
    let Wanted { pipeline, object, derived, .. } = &*wanted;
    let deadline = flight.deadline;
    let kept = Kept { key: &derived.key, time_to_live: wanted.time_to_live(), epoch: &flight.epoch };
    if flight.look_again
        && let Some(hit) = lookup::cached(pipeline, &derived.key, deadline).await
    {
        return Ok(hit);
    }
    if let Some(stored) = lookup::stored(pipeline, object, kept, deadline).await? {
        return Ok(stored);
    }
    let owner = Owner::new(Arc::clone(wanted.bucket.name()));
    let announced = pipeline.transform.announce(&owner)?;
    let started = Instant::now();
    let original = original::load(pipeline, &derived.root, deadline).await?;
    let overlays = pipeline.overlays.for_plan(&pipeline.storage, &derived.plan, deadline).await?;
    let mut stages = vec![Stage::new("original", started.elapsed())];

    let job = RenderJob { source: original, plan: Arc::clone(&derived.plan), overlays };
    drop(announced);
    let rendered = pipeline.transform.render(&derived.key, &owner, job, deadline).await?;
    stages.extend(rendered.timings.iter().map(|(name, elapsed)| Stage::new(name, *elapsed)));

    let rendition = Arc::new(rendition::from_render(rendered));
    Ok(Arc::new(Served { rendition, tier: Tier::Rendered, stages }))
}

/// Keeps a result that was rendered, in the cache and in its store. The future waits until other instances can find it
/// in one of them.
fn keep(wanted: &Wanted, served: &Arc<Served>, epoch: &Epoch) -> impl Future<Output = ()> + use<> {
    let Wanted { pipeline, object, derived, .. } = wanted;
    let time_to_live = wanted.time_to_live();
    let kept = (served.tier == Tier::Rendered).then(|| {
        let sharing = pipeline.cache.insert(derived.key.clone(), Arc::clone(&served.rendition), time_to_live, epoch);
        (sharing, store_back::offer(pipeline, object, &derived.key, Arc::clone(&served.rendition), epoch))
    });
    async move {
        if let Some((sharing, storing)) = kept
            && !sharing.is_found_by_others().await
        {
            storing.is_stored().await;
        }
    }
}

/// Looks for what another instance may have made meanwhile. A tier that fails here has nothing.
async fn look_elsewhere(wanted: Arc<Wanted>, epoch: Epoch) -> Option<Arc<Served>> {
    let Wanted { pipeline, object, derived, .. } = &*wanted;
    let deadline = Deadline::within(LOOK);
    let kept = Kept { key: &derived.key, time_to_live: wanted.time_to_live(), epoch: &epoch };
    if let Some(hit) = lookup::cached(pipeline, &derived.key, deadline).await {
        return Some(hit);
    }
    lookup::stored(pipeline, object, kept, deadline).await.ok().flatten()
}

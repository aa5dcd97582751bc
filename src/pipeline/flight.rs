//! One flight makes one result, for everyone who asks for it meanwhile.

use std::sync::Arc;

use mortar_actors::lock::FlightContext;
use mortar_actors::{Deadline, Fault};
use tokio::time::Instant;

use super::{Pipeline, Served, Stage, Tier, lookup, original, rendition, store_back};
use crate::adapters::raster::RenderJob;
use crate::domain::{Derived, Location};

/// Joins the flight for a result, or starts it.
pub(super) async fn join(
    pipeline: &Arc<Pipeline>,
    object: &Location,
    derived: &Derived,
    deadline: Deadline,
) -> Result<Arc<Served>, Fault> {
    let work = {
        let (pipeline, object, derived) = (Arc::clone(pipeline), object.clone(), derived.clone());
        move |flight: FlightContext| make(pipeline, object, derived, flight)
    };
    pipeline.flights.join(derived.key.clone(), deadline, work).await
}

/// The stages of a flight: result store, original, overlays, render; then the result is cached and handed out, and
/// stored back afterwards. The original is dropped before the result is stored.
async fn make(
    pipeline: Arc<Pipeline>,
    object: Location,
    derived: Derived,
    flight: FlightContext,
) -> Result<Arc<Served>, Fault> {
    let deadline = flight.deadline;
    if let Some(stored) = lookup::stored(&pipeline, &object, &derived.key, deadline).await? {
        return Ok(stored);
    }
    let started = Instant::now();
    let source = original::read_whole(&pipeline, &derived.root, deadline).await?;
    let overlays = pipeline.overlays.for_plan(&pipeline.storage, &derived.plan, deadline).await?;
    let mut stages = vec![Stage::new("original", started.elapsed())];

    let job = RenderJob { source, plan: Arc::clone(&derived.plan), overlays };
    let rendered = pipeline.transform.render(derived.key.clone(), job, deadline).await?;
    stages.extend(rendered.timings.iter().map(|(name, elapsed)| Stage::new(name, *elapsed)));

    let rendition = Arc::new(rendition::from_render(rendered));
    pipeline.cache.insert(derived.key.clone(), Arc::clone(&rendition), pipeline.settings.time_to_live);
    store_back::offer(&pipeline, object, Arc::clone(&rendition));
    Ok(Arc::new(Served { rendition, tier: Tier::Rendered, stages }))
}

//! The picture shown instead of a failed transform.

use std::sync::Arc;

use bytes::Bytes;
use mortar_actors::lock::{Errand, FlightContext};
use mortar_actors::{Deadline, Fault, FaultKind, Key, Owner, Rendition};

use super::{Pipeline, Served, Stage, Tier, rendition};
use crate::adapters::raster::engine::RenderJob;
use crate::adapters::raster::probe::probe;
use crate::domain::Derived;
use crate::domain::plan::Plan;

/// The configured placeholder, read and recognised at start.
pub struct Placeholder {
    source: Bytes,
    /// Served as it is while it cannot be rendered to the asked size.
    unscaled: Arc<Rendition>,
}

impl Placeholder {
    /// Takes the bytes of a picture.
    ///
    /// # Errors
    /// `Unprocessable` when they are none.
    pub fn new(source: Bytes) -> Result<Self, Fault> {
        let unscaled = Arc::new(rendition::as_it_stands(source.clone(), &probe(&source)?, None));
        Ok(Self { source, unscaled })
    }
}

impl Pipeline {
    /// What to show, with the status of `fault`, instead of the result that failed with it. `None` when no placeholder
    /// is configured, or when the requester had better read the error: a missing object or a bad request.
    pub async fn placeholder(
        self: &Arc<Self>,
        derived: &Derived,
        fault: &Fault,
        deadline: Deadline,
    ) -> Option<Arc<Served>> {
        let placeholder = self.placeholder.as_ref().filter(|_| stands_in_for(fault.kind()))?;
        let plan = plain(&derived.plan);
        // The plan alone names it: every picture that fails shares one placeholder of each size.
        let key = Key::new(format!("placeholder\n{plan:?}"));
        if let Some(hit) = self.cache.peek(&key) {
            return Some(served(hit, Vec::new()));
        }
        // While the service is out of capacity or time, rendering one more picture would make it worse.
        let rendered = match fault.kind() {
            FaultKind::Overloaded | FaultKind::Restarting | FaultKind::TimedOut => None,
            _ => self.render_placeholder(placeholder, plan, key, deadline).await.ok(),
        };
        Some(rendered.unwrap_or_else(|| served(Arc::clone(&placeholder.unscaled), Vec::new())))
    }

    async fn render_placeholder(
        self: &Arc<Self>,
        placeholder: &Placeholder,
        plan: Arc<Plan>,
        key: Key,
        deadline: Deadline,
    ) -> Result<Arc<Served>, Fault> {
        let (pipeline, source, name) = (Arc::clone(self), placeholder.source.clone(), key.clone());
        let errand = Errand::new(move |flight: FlightContext| {
            let job = RenderJob { source: source.clone(), plan: Arc::clone(&plan), overlays: Vec::new() };
            let (pipeline, name) = (Arc::clone(&pipeline), name.clone());
            async move {
                let rendered =
                    pipeline.transform.render(&name, &Owner::new("placeholder"), job, flight.deadline).await?;
                let stages = rendered.timings.iter().map(|(stage, elapsed)| Stage::new(stage, *elapsed)).collect();
                let rendition = Arc::new(rendition::from_render(rendered));
                let time_to_live = pipeline.settings.default_time_to_live;
                pipeline.cache.insert(name, Arc::clone(&rendition), time_to_live, &flight.epoch);
                Ok(served(rendition, stages))
            }
        });
        self.flights.join(&key, deadline, errand).await
    }
}

/// Whether a placeholder stands in for this kind of failure.
fn stands_in_for(kind: FaultKind) -> bool {
    !matches!(
        kind,
        FaultKind::NotFound
            | FaultKind::Invalid
            | FaultKind::Forbidden
            | FaultKind::TooLarge
            | FaultKind::Unsupported
            | FaultKind::RangeNotSatisfiable { .. }
            | FaultKind::Cancelled
    )
}

/// The same geometry without watermarks, which are not fetched for an error, and without cut-outs, which a smaller
/// placeholder need not contain.
fn plain(plan: &Plan) -> Arc<Plan> {
    let mut plan = plan.clone();
    for step in &mut plan.steps {
        step.watermark = None;
        step.extract = None;
    }
    Arc::new(plan)
}

fn served(rendition: Arc<Rendition>, stages: Vec<Stage>) -> Arc<Served> {
    Arc::new(Served { rendition, tier: Tier::Placeholder, stages })
}

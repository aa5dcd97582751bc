//! One picture in, one picture out.

use mortar_actors::Fault;
use xxhash_rust::xxh3::xxh3_128;

use super::course::Course;
use super::outline::Outline;
use super::stages::Stages;
use super::{RasterEngine, RenderJob, Rendered};
use crate::adapters::raster::decode::{Want, decode};
use crate::adapters::raster::encode::encode;
use crate::adapters::raster::limits::decode_limits;
use crate::domain::plan::Format;

/// Renders a picture, or the first frame of an animation.
///
/// # Errors
/// As `Engine::render`.
pub(super) fn render(
    engine: &RasterEngine,
    job: &RenderJob,
    outline: &Outline,
    mut stages: Stages<'_>,
) -> Result<Rendered, Fault> {
    let format = outline.format;
    let want = Want {
        at_least: outline.decode_at_least(),
        planes: outline.planes_serve(&job.plan),
        exif: !job.plan.output.strip && format != Format::Gif,
    };
    let limits = decode_limits(&engine.limits);
    let decoded = stages.run("decode", || decode(&job.source, &outline.header, &want, &limits))?;
    let settings = engine.settings(&job.plan, format, decoded.exif);
    let chroma = outline.chroma(settings.quality);
    let pixels = Course::new(job, outline, chroma).run(decoded.pixels, &decoded.profile, &mut stages)?;
    let (width, height) = pixels.size();
    let stop = stages.stop();
    let body = stages.run("encode", || encode(&pixels, &settings, stop))?;
    let digest = xxh3_128(&body);
    Ok(Rendered { body, digest, format, width, height, timings: stages.into_timings() })
}

//! Animations: every frame takes the same course, one at a time.

use mortar_actors::{Fault, FaultKind};
use xxhash_rust::xxh3::xxh3_128;

use super::course::Course;
use super::outline::Outline;
use super::stages::Stages;
use super::{RasterEngine, RenderJob, Rendered};
use crate::adapters::raster::animation::{Frame, FrameEncoder, frames};
use crate::adapters::raster::color::Profile;
use crate::adapters::raster::limits::decode_limits;
use crate::adapters::raster::pixels::Pixels;
use crate::adapters::raster::resample::Chroma;

/// Renders an animation to an animation. At no time are more than the frames in work held decoded.
///
/// # Errors
/// As `Engine::render`.
pub(super) fn render(
    engine: &RasterEngine,
    job: &RenderJob,
    outline: &Outline,
    mut stages: Stages<'_>,
) -> Result<Rendered, Fault> {
    let size = outline.result();
    let settings = engine.settings(&job.plan, outline.format, None);
    let mut frames = stages.run("decode", || frames(&job.source, &outline.header, &decode_limits(&engine.limits)))?;
    let mut encoder = stages.run("encode", || FrameEncoder::new(size.width, size.height, frames.loops(), &settings))?;
    let mut course = Course::new(job, outline, Chroma::Full);
    while let Some(frame) = stages.run("decode", || frames.next().transpose())? {
        let Frame { picture, delay } = frame;
        let Pixels::Picture(picture) = course.run(Pixels::Picture(picture), &Profile::Srgb, &mut stages)? else {
            return Err(Fault::new(FaultKind::Internal, "a frame changed its form"));
        };
        stages.run("encode", || encoder.push(&Frame { picture, delay }))?;
    }
    let body = stages.run("encode", || encoder.finish())?;
    let timings = stages.into_timings();
    let digest = xxh3_128(&body);
    Ok(Rendered { body, digest, format: outline.format, width: size.width, height: size.height, timings })
}

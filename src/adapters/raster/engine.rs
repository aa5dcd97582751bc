//! The engine behind the transform actor's port: plans are carried out here, from bytes to bytes.

mod animate;
mod course;
mod estimate;
mod outline;
mod stages;
mod still;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mortar_actors::transform::{Engine, Estimate};
use mortar_actors::{Fault, StopFlag};
use outline::Outline;
use stages::Stages;

use super::encode::EncodeSettings;
use super::metadata::Exif;
use super::overlay::Overlay;
use crate::config::{EncodingConfig, LimitsConfig};
use crate::domain::plan::{Format, Plan, Quality};

/// Everything one render needs.
#[derive(Clone, Debug)]
pub struct RenderJob {
    /// The encoded source.
    pub source: Bytes,
    /// What to do with it.
    pub plan: Arc<Plan>,
    /// The pictures of the plan's watermarks, one for each, in the order of the steps.
    pub overlays: Vec<Arc<Overlay>>,
}

/// A finished picture.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The encoded picture.
    pub body: Bytes,
    /// Its XXH3 hash of 128 bits.
    pub digest: u128,
    /// Its format.
    pub format: Format,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// What each stage took, in the order in which they first ran. Animations add their frames up.
    pub timings: Vec<(&'static str, Duration)>,
}

/// Renders pictures on the calling thread; it has no threads and no state of its own.
#[derive(Clone, Debug)]
pub struct RasterEngine {
    limits: LimitsConfig,
    encoding: EncodingConfig,
}

impl RasterEngine {
    /// An engine with these limits and encoder defaults.
    pub fn new(limits: LimitsConfig, encoding: EncodingConfig) -> Self {
        Self { limits, encoding }
    }

    fn settings(&self, plan: &Plan, format: Format, exif: Option<Exif>) -> EncodeSettings {
        let configured = match format {
            Format::Webp => self.encoding.webp_quality,
            Format::Avif => self.encoding.avif_quality,
            Format::Jpeg | Format::Png | Format::Gif => self.encoding.jpeg_quality,
        };
        EncodeSettings {
            format,
            quality: plan.output.quality.map_or(configured, Quality::get),
            interlace: plan.output.interlace,
            exif,
            webp_method: self.encoding.webp_method,
            avif_speed: self.encoding.avif_speed,
            png_compression: self.encoding.png_compression,
        }
    }
}

impl Engine for RasterEngine {
    type Job = RenderJob;
    type Output = Rendered;

    fn estimate(&self, job: &RenderJob) -> Result<Estimate, Fault> {
        let outline = Outline::new(job, &self.limits)?;
        estimate::estimate(job, &outline, &self.limits)
    }

    fn render(&self, job: RenderJob, stop: &StopFlag) -> Result<Rendered, Fault> {
        let mut stages = Stages::new(stop);
        let outline = stages.run("probe", || Outline::new(&job, &self.limits))?;
        if outline.animated {
            animate::render(self, &job, &outline, stages)
        } else {
            still::render(self, &job, &outline, stages)
        }
    }
}

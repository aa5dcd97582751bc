//! What a job comes to, told from its header alone: every limit is checked here, before anything is decoded.

use mortar_actors::{Fault, FaultKind};

use super::RenderJob;
use crate::adapters::raster::encode::FULL_FROM_QUALITY;
use crate::adapters::raster::geometry::{Framing, Size, compose};
use crate::adapters::raster::limits::{OutputLimits, check_operations, check_source, check_source_bytes};
use crate::adapters::raster::metadata::Orientation;
use crate::adapters::raster::probe::{Header, SourceFormat, probe};
use crate::adapters::raster::resample::{Chroma, SHRINK_ON_LOAD_MARGIN};
use crate::adapters::raster::rotate::Turn;
use crate::config::LimitsConfig;
use crate::domain::plan::{Format, Plan, Step};

/// The sizes a job goes through, and what it is written as.
pub(super) struct Outline {
    /// What the source's header says.
    pub header: Header,
    /// What the result is written as.
    pub format: Format,
    /// Whether every frame is rendered.
    pub animated: bool,
    /// The limits of each picture of the result.
    pub output_limits: OutputLimits,
    /// What the first step shows, in the picture as stored. A smart crop is assumed in the corner; that moves its place
    /// and not its scale.
    pub first: Framing,
    /// The size after each step, upright.
    pub sizes: Vec<Size>,
}

impl Outline {
    /// # Errors
    /// What `Engine::estimate` promises: a source that is no picture, or anything beyond the limits.
    pub(super) fn new(job: &RenderJob, limits: &LimitsConfig) -> Result<Self, Fault> {
        check_source_bytes(limits, job.source.len())?;
        check_operations(limits, &job.plan)?;
        check_overlays(job)?;
        let header = probe(&job.source)?;
        check_source(limits, &header)?;
        let format = job.plan.output.format.unwrap_or_else(|| format_like(&header));
        let animated = header.frames > 1 && matches!(format, Format::Gif | Format::Webp);
        let output_limits = OutputLimits::new(limits, if animated { header.frames } else { 1 });
        let mut outline = Self {
            header,
            format,
            animated,
            output_limits,
            first: Framing::whole(stored_size(&header)),
            sizes: Vec::with_capacity(job.plan.steps.len()),
        };
        outline.follow(&job.plan)?;
        Ok(outline)
    }

    /// The smallest stored size that leaves the resampler enough to work on; `None` for the full size.
    pub(super) fn decode_at_least(&self) -> Option<(u32, u32)> {
        let scale = self.first.scale() * SHRINK_ON_LOAD_MARGIN;
        if scale >= 1.0 {
            return None;
        }
        let enough = |side: u32| (f64::from(side) * scale).ceil().max(1.0) as u32;
        Some((enough(self.header.width), enough(self.header.height)))
    }

    /// The size of the result.
    pub(super) fn result(&self) -> Size {
        self.sizes.last().copied().unwrap_or_else(|| stored_size(&self.header))
    }

    /// Whether the pixels can stay in the form a JPEG has them in: the format takes it, and no step mixes colours.
    pub(super) fn planes_serve(&self, plan: &Plan) -> bool {
        let mixes_colours = |step: &Step| step.blur.is_some() || step.watermark.is_some();
        matches!(self.format, Format::Jpeg | Format::Avif | Format::Webp) && !plan.steps.iter().any(mixes_colours)
    }

    /// How fine the colours of planes have to be for the encoder. WebP has them halved at every quality.
    pub(super) fn chroma(&self, quality: u8) -> Chroma {
        if self.format == Format::Webp || quality < FULL_FROM_QUALITY { Chroma::Halved } else { Chroma::Full }
    }

    fn follow(&mut self, plan: &Plan) -> Result<(), Fault> {
        let mut size = stored_size(&self.header);
        let mut orientation = self.header.orientation;
        for (index, step) in plan.steps.iter().enumerate() {
            let turn = Turn::of(step.rotate, orientation);
            let framing = compose(step, size.turned(turn), &self.output_limits, |_| (0, 0))?;
            if index == 0 {
                self.first = framing.as_stored(turn, size);
            }
            size = framing.size;
            orientation = Orientation::Upright;
            self.sizes.push(size);
        }
        Ok(())
    }
}

fn check_overlays(job: &RenderJob) -> Result<(), Fault> {
    let asked = job.plan.steps.iter().filter(|step| step.watermark.is_some()).count();
    if asked == job.overlays.len() {
        return Ok(());
    }
    Err(Fault::new(FaultKind::Internal, "the render was not given its watermarks"))
}

/// Width and height as stored.
pub(super) fn stored_size(header: &Header) -> Size {
    Size::new(header.width, header.height)
}

/// The format to write where the request names none: the source's own, or what can show everything in it.
fn format_like(header: &Header) -> Format {
    match header.format {
        SourceFormat::Jpeg => Format::Jpeg,
        SourceFormat::Png => Format::Png,
        SourceFormat::Webp => Format::Webp,
        SourceFormat::Gif => Format::Gif,
        SourceFormat::Avif => Format::Avif,
        SourceFormat::Tiff | SourceFormat::Bmp if header.has_alpha => Format::Png,
        SourceFormat::Tiff | SourceFormat::Bmp => Format::Jpeg,
    }
}

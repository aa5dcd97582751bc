//! The steps of a plan, carried out on pixels.

use std::sync::Arc;

use mortar_actors::Fault;

use super::RenderJob;
use super::outline::{Outline, stored_size};
use super::stages::Stages;
use crate::adapters::raster::attention::{look_size, place};
use crate::adapters::raster::blur::blur;
use crate::adapters::raster::color::{Profile, planes_to_picture, to_srgb};
use crate::adapters::raster::geometry::{Framing, Size, compose};
use crate::adapters::raster::grayscale::grayscale;
use crate::adapters::raster::metadata::Orientation;
use crate::adapters::raster::overlay::{Overlay, lay_over};
use crate::adapters::raster::pixels::{Picture, Pixels};
use crate::adapters::raster::resample::{Chroma, resample, small_picture};
use crate::adapters::raster::rotate::{Turn, turn, turn_picture};
use crate::domain::plan::{Gravity, Step, Watermark};

/// Carries a plan's steps out, once or for every frame of an animation.
pub(super) struct Course<'job> {
    job: &'job RenderJob,
    outline: &'job Outline,
    chroma: Chroma,
    /// What each step shows, in pixels of what it is given, as stored. Filled by the first picture; an animation's
    /// other frames are cut where the first one was.
    framings: Vec<Framing>,
}

impl<'job> Course<'job> {
    pub(super) fn new(job: &'job RenderJob, outline: &'job Outline, chroma: Chroma) -> Self {
        Self { job, outline, chroma, framings: Vec::with_capacity(job.plan.steps.len()) }
    }

    /// Takes a picture as decoded, smaller than stored perhaps, through all steps. The result is upright and sRGB.
    ///
    /// # Errors
    /// Those of the operations, and the stop flag's between them.
    pub(super) fn run(
        &mut self,
        mut pixels: Pixels,
        profile: &Profile,
        stages: &mut Stages<'_>,
    ) -> Result<Pixels, Fault> {
        let mut stored = stored_size(&self.outline.header);
        let mut orientation = self.outline.header.orientation;
        let mut overlays = self.job.overlays.iter();
        for (index, step) in self.job.plan.steps.iter().enumerate() {
            let upright = Turn::of(step.rotate, orientation);
            let framing = self.framing(index, step, &pixels, stored, upright, stages)?;
            if !framing.changes_nothing(stored) {
                let framing = framing_of_decoded(&framing, stored, &pixels);
                pixels = stages.run("resize", || resample(pixels, &framing, self.chroma))?;
            }
            if index == 0 && !profile.is_srgb() {
                pixels = stages.run("colour", || in_srgb(pixels, profile))?;
            }
            if !upright.is_identity() {
                pixels = stages.run("turn", || Ok(turn(pixels, upright)))?;
            }
            let watermark = step.watermark.as_ref().zip(step.watermark.as_ref().and_then(|_| overlays.next()));
            pixels = decorate(pixels, step, watermark, stages)?;
            (stored, orientation) = (framing.size.turned(upright), Orientation::Upright);
        }
        Ok(pixels)
    }

    /// What this step shows of a picture of `stored` pixels, in the picture as stored.
    fn framing(
        &mut self,
        index: usize,
        step: &Step,
        pixels: &Pixels,
        stored: Size,
        upright: Turn,
        stages: &mut Stages<'_>,
    ) -> Result<Framing, Fault> {
        if let Some(known) = self.framings.get(index) {
            return Ok(*known);
        }
        let look = match step.crop {
            Some(crop) if crop.gravity == Gravity::Smart => {
                let size = look_size(stored);
                Some(stages.run("attention", || Ok(turn_picture(small_picture(pixels, size)?, upright)))?)
            }
            Some(_) | None => None,
        };
        let smart = |cut| look.as_ref().map_or((0, 0), |look| place(cut, look));
        let framing = compose(step, stored.turned(upright), &self.outline.output_limits, smart)?;
        let framing = framing.as_stored(upright, stored);
        self.framings.push(framing);
        Ok(framing)
    }
}

/// The same framing in a picture that was decoded smaller than it is stored.
fn framing_of_decoded(framing: &Framing, stored: Size, pixels: &Pixels) -> Framing {
    let (width, height) = pixels.size();
    let horizontal = f64::from(width) / f64::from(stored.width);
    let vertical = f64::from(height) / f64::from(stored.height);
    Framing { area: framing.area.scaled(horizontal, vertical), size: framing.size }
}

fn in_srgb(pixels: Pixels, profile: &Profile) -> Result<Pixels, Fault> {
    match pixels {
        Pixels::Picture(picture) => to_srgb(picture, profile).map(Pixels::Picture),
        // Planes are handed out only by sources that are sRGB.
        Pixels::Planes(planes) => Ok(Pixels::Planes(planes)),
    }
}

/// Blur, watermark, grayscale: what happens to the picture once it has its size.
fn decorate(
    mut pixels: Pixels,
    step: &Step,
    watermark: Option<(&Watermark, &Arc<Overlay>)>,
    stages: &mut Stages<'_>,
) -> Result<Pixels, Fault> {
    if let Some(wanted) = step.blur {
        let sigma = f64::from(wanted.sigma_thousandths) / 1_000.0;
        pixels = stages.run("blur", || Ok(Pixels::Picture(blur(into_picture(pixels)?, sigma)?)))?;
    }
    if let Some((watermark, overlay)) = watermark {
        pixels = stages.run("watermark", || {
            let base = into_picture(pixels)?;
            Ok(Pixels::Picture(lay_over(base, overlay.picture()?, watermark.position, watermark.opacity_hundredths)))
        })?;
    }
    if step.grayscale {
        pixels = stages.run("grayscale", || Ok(grayscale(pixels)))?;
    }
    Ok(pixels)
}

fn into_picture(pixels: Pixels) -> Result<Picture, Fault> {
    match pixels {
        Pixels::Picture(picture) => Ok(picture),
        Pixels::Planes(planes) => planes_to_picture(&planes),
    }
}

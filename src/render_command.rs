//! `mortar render`: the engine on one file, without a server.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mortar_actors::transform::Engine;
use mortar_actors::{Deadline, Fault, StopFlag};

use crate::adapters::raster::engine::{RasterEngine, RenderJob, Rendered};
use crate::adapters::raster::overlay::Overlay;
use crate::adapters::raster::probe::probe;
use crate::cli::RenderArgs;
use crate::config::{EncodingConfig, LimitsConfig};
use crate::domain::plan::{Plan, Step};
use crate::domain::{PlanLimits, parse_plan};

/// Nobody waits on the other side of a connection here; this only ends a render that got stuck.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The result, or the report about it, could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The query is wrong, or the picture cannot be rendered.
    #[error(transparent)]
    Refused(#[from] Fault),
}

/// Renders a file and reports to `report` what was done and how long each stage took.
///
/// A watermark's `image` is the path of a file here, since there are no buckets. The result appears under its name only
/// when it is complete.
///
/// # Errors
/// A file that cannot be read or written, a query that is wrong, a picture that cannot be rendered.
pub fn run(
    args: &RenderArgs,
    limits: &LimitsConfig,
    encoding: &EncodingConfig,
    report: &mut impl Write,
) -> Result<(), RenderError> {
    let plan_limits = PlanLimits { operations: limits.operations, output_side: limits.output_side };
    let plan = Arc::new(parse_plan(&args.query, plan_limits)?);
    let source = read(&args.input)?;
    let header = probe(&source)?;
    let source_bytes = source.len();
    let job = RenderJob { source, plan: Arc::clone(&plan), overlays: overlays(&plan, limits)? };
    let engine = RasterEngine::new(limits.clone(), encoding.clone());
    let estimate = engine.estimate(&job)?;
    let begun = Instant::now();
    let rendered = engine.render(job, &StopFlag::new(Deadline::within(PATIENCE)))?;
    let took = begun.elapsed();
    write_whole(&args.output, &rendered.body).map_err(|source| write_error(&args.output, source))?;

    let mut lines = vec![format!(
        "source  {:?} {}x{}, {} frame(s), {source_bytes} bytes",
        header.format, header.width, header.height, header.frames
    )];
    lines.extend(plan.steps.iter().enumerate().map(|(index, step)| format!("step {}  {}", index + 1, describe(step))));
    lines.extend(describe_result(&rendered));
    lines.push(format!("total   {:.1} ms, estimated memory {} bytes", milliseconds(took), estimate.memory_bytes));
    writeln!(report, "{}", lines.join("\n")).map_err(|source| write_error(Path::new("the report"), source))
}

fn read(path: &Path) -> Result<Bytes, RenderError> {
    let bytes = fs::read(path).map_err(|source| RenderError::Read { path: path.to_owned(), source })?;
    Ok(Bytes::from(bytes))
}

fn write_error(path: &Path, source: io::Error) -> RenderError {
    RenderError::Write { path: path.to_owned(), source }
}

fn overlays(plan: &Plan, limits: &LimitsConfig) -> Result<Vec<Arc<Overlay>>, RenderError> {
    let mut overlays = Vec::new();
    for watermark in plan.steps.iter().filter_map(|step| step.watermark.as_ref()) {
        let source = read(Path::new(&watermark.image))?;
        overlays.push(Arc::new(Overlay::new(source, limits)?));
    }
    Ok(overlays)
}

/// Writes beside the target and renames, so that nobody sees half a picture.
fn write_whole(target: &Path, body: &[u8]) -> io::Result<()> {
    let mut name = target.file_name().map(ToOwned::to_owned).unwrap_or_default();
    name.push(format!(".{}.part", std::process::id()));
    let part = target.with_file_name(name);
    let written = File::create_new(&part)
        .and_then(|mut file| file.write_all(body).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, target));
    if written.is_err() {
        // What is left of a failed attempt is worth nothing; the first error is the one to tell.
        let _ = fs::remove_file(&part);
    }
    written
}

fn describe(step: &Step) -> String {
    let side = |side: Option<std::num::NonZeroU32>| side.map_or_else(|| "-".to_owned(), |side| side.to_string());
    let mut words = Vec::new();
    if let Some(rotation) = step.rotate {
        words.push(format!("rotate {rotation:?}"));
    }
    match (&step.crop, &step.resize) {
        (Some(crop), _) => {
            words.push(format!("crop to {}x{} ({:?})", side(crop.width), side(crop.height), crop.gravity));
        }
        (None, Some(resize)) => words.push(format!("resize to {}x{}", side(resize.width), side(resize.height))),
        (None, None) => {}
    }
    if let Some(extract) = step.extract.filter(|_| step.crop.is_none()) {
        let (width, height) = (side(extract.width), side(extract.height));
        words.push(format!("extract {width}x{height} at {},{}", extract.left, extract.top));
    }
    if let Some(auto) = step.resize_crop_auto {
        words.push(format!("crop automatically to {}x{}", auto.width, auto.height));
    }
    if let Some(blur) = step.blur {
        words.push(format!("blur {}", f64::from(blur.sigma_thousandths) / 1_000.0));
    }
    if let Some(watermark) = &step.watermark {
        words.push(format!("watermark {} at {} %", watermark.image, watermark.opacity_hundredths));
    }
    if step.grayscale {
        words.push("grayscale".to_owned());
    }
    if words.is_empty() { "encode".to_owned() } else { words.join(", ") }
}

fn describe_result(rendered: &Rendered) -> Vec<String> {
    let Rendered { body, format, width, height, timings } = rendered;
    let mut lines = vec![format!("result  {format:?} {width}x{height}, {} bytes", body.len())];
    lines.extend(timings.iter().map(|(stage, took)| format!("  {stage:<10} {:>8.1} ms", milliseconds(*took))));
    lines
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

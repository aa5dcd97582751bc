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
    let Rendered { body, format, width, height, timings, .. } = rendered;
    let mut lines = vec![format!("result  {format:?} {width}x{height}, {} bytes", body.len())];
    lines.extend(timings.iter().map(|(stage, took)| format!("  {stage:<10} {:>8.1} ms", milliseconds(*took))));
    lines
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use mortar_actors::FaultKind;

    use super::*;

    fn limits() -> LimitsConfig {
        LimitsConfig {
            source_bytes: 1 << 20,
            source_pixels: 1 << 20,
            output_side: 1_000,
            output_pixels: 1 << 20,
            frames: 1,
            watermark_bytes: 1 << 20,
            operations: 4,
            render_memory_bytes: 64 << 20,
        }
    }

    fn encoding() -> EncodingConfig {
        EncodingConfig {
            jpeg_quality: 80,
            webp_quality: 75,
            webp_method: 4,
            avif_quality: 50,
            avif_speed: 9,
            png_compression: 6,
        }
    }

    /// A directory with a picture of 40 x 30 pixels in it, and the arguments to render that.
    fn args(query: &str) -> (tempfile::TempDir, RenderArgs) {
        let directory = tempfile::tempdir().unwrap();
        let input = directory.path().join("in.png");
        image::RgbImage::from_pixel(40, 30, image::Rgb([10, 200, 90])).save(&input).unwrap();
        let output = directory.path().join("out.webp");
        (directory, RenderArgs { input, query: query.to_owned(), output })
    }

    #[test]
    fn a_file_is_rendered_and_every_stage_reported() {
        let (_directory, args) = args("width=20&format=webp");
        let mut report = Vec::new();
        run(&args, &limits(), &encoding(), &mut report).unwrap();
        let header = probe(&fs::read(&args.output).unwrap()).unwrap();
        assert_eq!((header.width, header.height), (20, 15));
        let report = String::from_utf8(report).unwrap();
        for expected in ["source  Png 40x30", "step 1  resize to 20x-", "result  Webp 20x15", "decode", "encode"] {
            assert!(report.contains(expected), "{expected} is missing in:\n{report}");
        }
    }

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let (directory, args) = args("width=5000");
        let error = run(&args, &limits(), &encoding(), &mut Vec::new()).unwrap_err();
        assert!(matches!(error, RenderError::Refused(fault) if fault.kind() == FaultKind::Invalid));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_file_is_named() {
        let (_directory, mut args) = args("width=20");
        args.input = PathBuf::from("/nowhere/in.png");
        let error = run(&args, &limits(), &encoding(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("cannot read /nowhere/in.png"), "{error}");
    }
}

//! A cold render through the engine, beside the bare codec and resampling calls with the same settings.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mortar::adapters::raster::engine::{RasterEngine, RenderJob, Rendered};
use mortar::config::{self, Config};
use mortar::domain::{PlanLimits, parse_plan};
use mortar_actors::transform::Engine;
use mortar_actors::{Deadline, StopFlag};

use crate::bare;
use crate::paired::{Clock, Pair};
use crate::pictures::{as_gif, as_png, decode_jpeg, photograph};

const ROUNDS: usize = 15;
const TARGET: f64 = 1.15;
const QUALITY: u8 = 80;
const AVIF_QUALITY: u8 = 50;
/// The quantizer that libheif, and the engine with it, has for that quality.
const AVIF_QUANTIZER: u8 = 32;

pub(super) fn run() {
    let config = defaults();
    let photograph = photograph();
    let jpeg = Bytes::from(photograph.jpeg);
    let pixels = decode_jpeg(&jpeg);
    let png = Bytes::from(as_png(&pixels));
    let middle = image::imageops::thumbnail(&pixels, 1600, 1600 * pixels.height() / pixels.width());
    let gif = Bytes::from(as_gif(&middle));
    drop((pixels, middle));

    compare(&config, "render: JPEG to JPEG", &jpeg, "format=jpeg&quality=80", |source| {
        bare::jpeg_to_jpeg(source, QUALITY)
    });
    let effort = bare::Effort { quality: QUALITY, method: config.encoding.webp_method };
    compare(&config, "render: JPEG to WebP", &jpeg, "format=webp&quality=80", |source| {
        bare::jpeg_to_webp(source, effort)
    });
    let speed = config.encoding.avif_speed;
    compare(&config, "render: JPEG to AVIF", &jpeg, &format!("format=avif&quality={AVIF_QUALITY}"), |source| {
        bare::jpeg_to_avif(source, AVIF_QUANTIZER, speed)
    });
    compare(&config, "render: PNG to WebP", &png, "format=webp&quality=80", |source| bare::png_to_webp(source, effort));
    let level = config.encoding.png_compression;
    compare(&config, "render: PNG to PNG", &png, "format=png", |source| bare::png_to_png(source, level));
    compare(&config, "render: GIF to GIF", &gif, "format=gif", bare::gif_to_gif);
}

fn compare(config: &Config, name: &str, source: &Bytes, output: &str, bare: impl Fn(&[u8]) -> Vec<u8>) {
    let engine = RasterEngine::new(config.limits.clone(), config.encoding.clone());
    let job = job(config, source, &format!("width={}&{output}", bare::WIDTH));
    let ours = || render(&engine, job.clone());
    let (bytes, bare_bytes) = (ours().body.len(), bare(source).len());
    let name = format!("{name}, {bytes}/{bare_bytes} B");
    Pair::new(name, Clock::Thread, ROUNDS).target(TARGET).run(ours, || bare(source));
}

/// The default configuration.
pub(super) fn defaults() -> Config {
    config::load(None, &std::collections::HashMap::new()).expect("the default configuration is right")
}

/// What is asked of the engine by such a query.
pub(super) fn job(config: &Config, source: &Bytes, query: &str) -> RenderJob {
    let limits = PlanLimits { operations: config.limits.operations, output_side: config.limits.output_side };
    let plan = parse_plan(query, limits).expect("the queries of the benchmarks are right");
    RenderJob { source: source.clone(), plan: Arc::new(plan), overlays: Vec::new() }
}

/// Renders on this thread.
pub(super) fn render(engine: &RasterEngine, job: RenderJob) -> Rendered {
    let patience = StopFlag::new(Deadline::within(Duration::from_secs(600)));
    engine.render(job, &patience).expect("the pictures of the benchmarks can be rendered")
}

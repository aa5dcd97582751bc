use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::Corpus;
use mortar::adapters::raster::engine::{RasterEngine, RenderJob};
use mortar::adapters::raster::probe::{SourceFormat, probe};
use mortar::config::{EncodingConfig, LimitsConfig};
use mortar::domain::plan::Plan;
use mortar::domain::{PlanLimits, parse_plan};
use mortar_actors::transform::Engine;
use mortar_actors::{Deadline, Fault, FaultKind, StopFlag};

/// So small that an input takes milliseconds, so large that every seed passes.
const LIMITS: LimitsConfig = LimitsConfig {
    source_bytes: 1 << 20,
    source_pixels: 1 << 18,
    output_side: 512,
    output_pixels: 1 << 18,
    frames: 16,
    watermark_bytes: 1 << 16,
    operations: 6,
    render_memory_bytes: 64 << 20,
};

const ENCODING: EncodingConfig = EncodingConfig {
    jpeg_quality: 75,
    webp_quality: 75,
    webp_method: 0,
    avif_quality: 50,
    avif_speed: 10,
    png_compression: 1,
};

/// Ways through the engine: shrinking while decoding and not, with planes and without, still and animated. Results are
/// in formats that are quick to write, since the encoders never see a stranger's bytes.
const PLANS: [&str; 6] = [
    "width=16&format=jpeg",
    "width=16&format=png",
    "operation=crop&width=24&height=10&format=webp",
    "operation=extract&left=3&top=2&areaWidth=9&areaHeight=7&format=png",
    "operation=rotate&angle=90&operation=resize&height=20&grayscale=1&format=jpeg",
    "operation=resizeCropAuto&width=12&height=12&operation=blur&sigma=1.5&format=gif",
];

static JOBS: LazyLock<(RasterEngine, Vec<Arc<Plan>>)> = LazyLock::new(|| {
    let limits = PlanLimits { operations: LIMITS.operations, output_side: LIMITS.output_side };
    let plan = |query| Arc::new(parse_plan(query, limits).expect("the plans above are right"));
    (RasterEngine::new(LIMITS, ENCODING), PLANS.into_iter().map(plan).collect())
});

/// Probes, estimates and renders `source`; the length chooses the plan. Bytes of another format are not kept, since
/// another target looks after them.
///
/// # Panics
/// When a picture is blamed on the server instead of on itself, or a result is not what the engine says it is.
pub fn render(format: SourceFormat, source: &[u8]) -> Corpus {
    let header = match probe(source) {
        Ok(header) if header.format == format => header,
        Ok(_) => return Corpus::Reject,
        Err(fault) => {
            blames_the_picture(&fault);
            return Corpus::Keep;
        }
    };
    assert!(header.width > 0 && header.height > 0 && header.frames > 0, "an empty picture: {header:?}");

    let (engine, plans) = &*JOBS;
    let plan = Arc::clone(&plans[source.len() % plans.len()]);
    let job = RenderJob { source: Bytes::copy_from_slice(source), plan, overlays: Vec::new() };
    let stop = StopFlag::new(Deadline::within(Duration::from_secs(3600)));
    let estimate = engine.estimate(&job);
    match (estimate, engine.render(job, &stop)) {
        (Ok(estimate), Ok(rendered)) => {
            assert!(estimate.memory_bytes <= LIMITS.render_memory_bytes);
            let made = probe(&rendered.body).expect("a result is a picture");
            assert_eq!(made.displayed_size(), (rendered.width, rendered.height));
        }
        (Ok(_), Err(fault)) => blames_the_picture(&fault),
        (Err(refused), rendered) => {
            blames_the_picture(&refused);
            // What needs too much memory is turned away by its estimate alone, never by the render.
            assert!(rendered.is_err() || refused.kind() == FaultKind::Unprocessable, "rendered after {refused:?}");
        }
    }
    Corpus::Keep
}

/// Anything else would be told to the client as a failure of the server, and logged as one.
fn blames_the_picture(fault: &Fault) {
    let to_blame = matches!(fault.kind(), FaultKind::Unprocessable | FaultKind::TooLarge | FaultKind::Invalid);
    assert!(to_blame, "not the fault of the picture: {fault:?}");
}

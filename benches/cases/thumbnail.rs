//! `mortar render` beside `vipsthumbnail` of Debian's libvips-tools, as whole processes on the same file: CPU time,
//! bytes, quality and peak memory.
//!
//! Equal quality numbers do not mean equal bytes, for the programs scale and set up their encoders differently. So ours
//! gets the highest quality number whose file is not larger than libvips'; then the score tells which one is closer to
//! the ideal reduction.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use image::RgbImage;
use mortar::adapters::raster::engine::RasterEngine;
use tempfile::TempDir;

use super::render::{defaults, job, render};
use crate::paired::{Clock, Pair, say};
use crate::pictures::{Photograph, as_png, decode_jpeg, photographs};
use crate::process::{self, Used};
use crate::score::Reference;

const ROUNDS: usize = 9;
const WIDTH: u32 = 800;

/// One comparison.
struct Task {
    name: &'static str,
    /// Whether the source is the photograph as PNG.
    from_png: bool,
    extension: &'static str,
    format: &'static str,
    /// What stands behind the name of libvips' output.
    options: &'static str,
    target: f64,
}

/// libvips' AVIF effort is its fastest useful one; its default takes several times as long.
const TASKS: [Task; 4] = [
    Task { name: "JPEG to JPEG", from_png: false, extension: "jpg", format: "jpeg", options: "[Q=80]", target: 0.65 },
    Task { name: "JPEG to WebP", from_png: false, extension: "webp", format: "webp", options: "[Q=80]", target: 0.75 },
    Task { name: "PNG to WebP", from_png: true, extension: "webp", format: "webp", options: "[Q=80]", target: 0.6 },
    Task {
        name: "JPEG to AVIF",
        from_png: false,
        extension: "avif",
        format: "avif",
        options: "[Q=50,effort=1]",
        target: 1.0,
    },
];

/// A photograph, as files and as it should look.
struct Subject {
    directory: TempDir,
    jpeg: PathBuf,
    png: PathBuf,
    reference: Reference,
}

pub(super) fn run() {
    if Command::new("vipsthumbnail").arg("--vips-version").output().is_err() {
        say("thumbnail: left out, since there is no vipsthumbnail (Debian: apt install libvips-tools)");
        return;
    }
    for photograph in photographs() {
        let subject = Subject::new(&photograph);
        for task in &TASKS {
            compare(&photograph.name, &subject, task);
        }
    }
}

impl Subject {
    fn new(photograph: &Photograph) -> Self {
        let directory = tempfile::tempdir().expect("there is room for files");
        let (jpeg, png) = (directory.path().join("source.jpg"), directory.path().join("source.png"));
        let pixels = decode_jpeg(&photograph.jpeg);
        fs::write(&jpeg, &photograph.jpeg).expect("there is room for files");
        fs::write(&png, as_png(&pixels)).expect("there is room for files");
        let height = f64::from(pixels.height()) * f64::from(WIDTH) / f64::from(pixels.width());
        let reference = Reference::new(&pixels, (WIDTH, height.round() as u32));
        Self { directory, jpeg, png, reference }
    }
}

fn compare(picture: &str, subject: &Subject, task: &Task) {
    let source = if task.from_png { &subject.png } else { &subject.jpeg };
    let output = |name: &str| subject.directory.path().join(name).with_extension(task.extension);
    let (ours, theirs) = (output("ours"), output("theirs"));
    let destination = format!("{}{}", theirs.display(), task.options);
    let bytes = |path: &Path| fs::read(path).expect("it was just written");
    let their_peak = vips(source, &destination).peak;
    let their_bytes = bytes(&theirs);
    let query = query_for(&bytes(source).into(), task, their_bytes.len());
    let our_peak = mortar(source, &query, &ours).peak;
    let our_bytes = bytes(&ours);

    Pair::new(format!("thumbnail: {picture} {}", task.name), Clock::Child, ROUNDS)
        .target(task.target)
        .run_measured(|| mortar(source, &query, &ours).cpu, || vips(source, &destination).cpu);
    let score = |file: &[u8]| subject.reference.score(&decode(file));
    let (our_score, their_score) = (score(&our_bytes), score(&their_bytes));
    let verdict = if our_score >= their_score && our_bytes.len() <= their_bytes.len() { "met" } else { "MISSED" };
    let (length, their_length) = (our_bytes.len(), their_bytes.len());
    say(&format!(
        "  SSIMULACRA2 {our_score:.2} against {their_score:.2}, {length} against {their_length} bytes: {verdict}"
    ));
    let (our_peak, their_peak) = (our_peak as f64 / 1e6, their_peak as f64 / 1e6);
    say(&format!("  peak memory {our_peak:.1} against {their_peak:.1} MB; {query}"));
}

/// The query with the highest quality whose result has no more than so many bytes.
fn query_for(source: &Bytes, task: &Task, bytes: usize) -> String {
    let config = defaults();
    let engine = RasterEngine::new(config.limits.clone(), config.encoding.clone());
    let query = |quality: usize| format!("width={WIDTH}&format={}&quality={quality}", task.format);
    let qualities: Vec<usize> = (1..=100).collect();
    let fitting = qualities
        .partition_point(|quality| render(&engine, job(&config, source, &query(*quality))).body.len() <= bytes);
    query(fitting.max(1))
}

fn mortar(source: &Path, query: &str, output: &Path) -> Used {
    let words: [&OsStr; 5] = ["render".as_ref(), source.as_ref(), query.as_ref(), "-o".as_ref(), output.as_ref()];
    process::run(env!("CARGO_BIN_EXE_mortar"), &words)
}

fn vips(source: &Path, destination: &str) -> Used {
    let size = format!("{WIDTH}x");
    let words: [&OsStr; 5] = [source.as_ref(), "--size".as_ref(), size.as_ref(), "-o".as_ref(), destination.as_ref()];
    process::run("vipsthumbnail", &words)
}

/// Decodes both programs' results alike: AVIF with the engine, for which there is no decoder in `image`.
fn decode(file: &[u8]) -> RgbImage {
    if file.starts_with(&[0xFF, 0xD8]) {
        return decode_jpeg(file);
    }
    if let Ok(picture) = image::load_from_memory(file) {
        return picture.into_rgb8();
    }
    let config = defaults();
    let engine = RasterEngine::new(config.limits.clone(), config.encoding.clone());
    let png = render(&engine, job(&config, &Bytes::copy_from_slice(file), "format=png")).body;
    image::load_from_memory(&png).expect("the engine writes whole pictures").into_rgb8()
}

//! What a job costs, told from its header: in memory at its peak, and in CPU time.
//!
//! The numbers of memory are bytes per pixel of what is held at the same time; they are meant to be a little too high, since they
//! admit work. The encoded source is held by whoever asked and is not counted.

use mortar_actors::transform::Estimate;
use mortar_actors::{Fault, FaultKind};

use super::RenderJob;
use super::outline::Outline;
use crate::adapters::raster::geometry::Size;
use crate::adapters::raster::probe::{Header, SourceFormat};
use crate::config::LimitsConfig;
use crate::domain::plan::Format;

/// Tables and buffers that every render has, whatever its size.
const BASE: u64 = 2 << 20;

/// Coefficients of a progressive JPEG without subsampling: three of two bytes a pixel.
const COEFFICIENTS: u64 = 6;

/// # Errors
/// `Unprocessable` for a job that needs more memory than all renders together may take.
pub(super) fn estimate(job: &RenderJob, outline: &Outline, limits: &LimitsConfig) -> Result<Estimate, Fault> {
    let memory_bytes = BASE + decoding(outline) + working(job, outline) + encoding(outline);
    if memory_bytes <= limits.render_memory_bytes {
        return Ok(Estimate { memory_bytes, work: reading(outline) + writing(job, outline) });
    }
    let message = format!(
        "the request needs about {memory_bytes} bytes of memory; at most {} are allowed",
        limits.render_memory_bytes
    );
    Err(Fault::new(FaultKind::Unprocessable, message))
}

/// The decoded picture, and what the decoder keeps beside it.
fn decoding(outline: &Outline) -> u64 {
    let header = &outline.header;
    let stored = u64::from(header.width) * u64::from(header.height);
    let pixel = bytes_per_pixel(header);
    match header.format {
        SourceFormat::Jpeg => {
            let coefficients = if header.progressive { stored * COEFFICIENTS } else { 0 };
            coefficients + shrunk(outline).pixels() * 4
        }
        // Deep samples are decoded as bytes and copied to where they are aligned.
        SourceFormat::Png | SourceFormat::Bmp | SourceFormat::Tiff if header.bit_depth > 8 => stored * pixel * 2,
        SourceFormat::Png | SourceFormat::Bmp | SourceFormat::Tiff => stored * pixel,
        // A lossless WebP is decoded at full size before it is shrunk.
        SourceFormat::Webp if !outline.animated => stored * 4 + shrunk(outline).pixels() * 4,
        // The canvas, the frame before it and the frame laid on it.
        SourceFormat::Webp | SourceFormat::Gif => stored * 4 * 3,
        SourceFormat::Avif => stored * (pixel * 2 + 3),
    }
}

/// The size a decoder that shrinks by powers of two hands out.
fn shrunk(outline: &Outline) -> Size {
    let stored = Size::new(outline.header.width, outline.header.height);
    let Some((width, height)) = outline.decode_at_least() else { return stored };
    let at = |shrink: u32| Size::new(stored.width.div_ceil(shrink), stored.height.div_ceil(shrink));
    let serves = |size: &Size| size.width >= width && size.height >= height;
    [8, 4, 2].into_iter().map(at).find(serves).unwrap_or(stored)
}

/// The steps' own pictures: between the two passes of a resample, and before and after each operation.
fn working(job: &RenderJob, outline: &Outline) -> u64 {
    let pixel = bytes_per_pixel(&outline.header).max(3);
    let later = outline.sizes.array_windows().map(|[from, to]| between_passes(*from, *to));
    let between_passes = later.fold(between_passes(shrunk(outline), outline.first.size), u64::max);
    let largest = outline.sizes.iter().map(|size| size.pixels()).max().unwrap_or(0);
    let overlays: u64 = job.overlays.iter().map(|overlay| overlay.decoded_bytes()).sum();
    (between_passes + 2 * largest) * pixel + overlays
}

/// Pixels after the first pass of a resample. It goes along columns where samples are bytes, and along rows where they are
/// deeper. A plane is there twice while it is turned, but planes are resampled one by one.
fn between_passes(from: Size, to: Size) -> u64 {
    Size::new(from.width, to.height).pixels().max(Size::new(to.width, from.height).pixels())
}

/// What the encoder keeps, and what it has written.
fn encoding(outline: &Outline) -> u64 {
    let pixels = outline.result().pixels();
    let frames = u64::from(if outline.animated { outline.header.frames } else { 1 });
    match outline.format {
        Format::Jpeg => pixels * (COEFFICIENTS + 1),
        Format::Png => pixels * 8,
        Format::Webp => pixels * (10 + frames),
        Format::Avif => (8 << 20) + pixels * 40,
        Format::Gif => pixels * (8 + frames),
    }
}

/// The pixels that are read, over all frames.
fn reading(outline: &Outline) -> u64 {
    let header = &outline.header;
    let frames = u64::from(if outline.animated { header.frames } else { 1 });
    u64::from(header.width) * u64::from(header.height) * frames
}

/// The work to make and encode the result, in pixels that could be read in that time.
fn writing(job: &RenderJob, outline: &Outline) -> u64 {
    const BLURRED: u64 = 8;
    let frames = u64::from(if outline.animated { outline.header.frames } else { 1 });
    let encoded = match outline.format {
        Format::Jpeg => 2,
        Format::Png | Format::Webp => 15,
        Format::Gif => 20,
        Format::Avif => 40,
    };
    let blurred = if job.plan.steps.iter().any(|step| step.blur.is_some()) { BLURRED } else { 0 };
    outline.result().pixels().saturating_mul(frames * (encoded + blurred))
}

fn bytes_per_pixel(header: &Header) -> u64 {
    let channels = if header.has_alpha || header.format == SourceFormat::Gif { 4 } else { 3 };
    channels * if header.bit_depth > 8 { 2 } else { 1 }
}

//! The calls that a render consists of, and nothing else: no probing, no limits, no colour profiles, no stop flags.
//!
//! Each pipeline uses the same libraries with the same settings as the engine does.

mod av1;
mod jpeg;
mod webp;

use std::io::Cursor;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::gif::GifDecoder;
use image::codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder};
use image::{DynamicImage, ExtendedColorType, ImageEncoder};

pub(crate) use webp::Effort;

/// The width that everything is scaled to.
pub(crate) const WIDTH: u32 = 800;

/// JPEG to JPEG, through planes.
pub(crate) fn jpeg_to_jpeg(source: &[u8], quality: u8) -> Vec<u8> {
    jpeg::Planes::decode(source, 2).scaled(WIDTH).to_jpeg(quality)
}

/// A JPEG too small to be shrunk while it is decoded, to JPEG, through planes.
pub(crate) fn megapixel_to_jpeg(source: &[u8], quality: u8) -> Vec<u8> {
    jpeg::Planes::decode(source, 1).scaled(WIDTH).to_jpeg(quality)
}

/// JPEG to WebP, through planes.
pub(crate) fn jpeg_to_webp(source: &[u8], effort: Effort) -> Vec<u8> {
    webp::encode_planes(&jpeg::Planes::decode(source, 2).scaled(WIDTH), effort)
}

/// JPEG to AVIF, through planes. The container, a few hundred bytes, is left out.
pub(crate) fn jpeg_to_avif(source: &[u8], quantizer: u8, speed: u8) -> Vec<u8> {
    av1::encode(&jpeg::Planes::decode(source, 2).scaled(WIDTH), quantizer, speed)
}

/// PNG to WebP.
pub(crate) fn png_to_webp(source: &[u8], effort: Effort) -> Vec<u8> {
    let (size, rgb) = scaled_png(source);
    webp::encode_rgb(size, &rgb, effort)
}

/// PNG to PNG.
pub(crate) fn png_to_png(source: &[u8], level: u8) -> Vec<u8> {
    let ((width, height), rgb) = scaled_png(source);
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Level(level), PngFilter::Adaptive)
        .write_image(&rgb, width, height, ExtendedColorType::Rgb8)
        .expect("memory can be written to");
    file
}

/// One GIF picture to another.
pub(crate) fn gif_to_gif(source: &[u8]) -> Vec<u8> {
    const SPEED: i32 = 10;
    let decoder = GifDecoder::new(Cursor::new(source)).expect("a GIF");
    let picture = DynamicImage::from_decoder(decoder).expect("a whole GIF").into_rgba8();
    let size = (picture.width(), picture.height());
    let (width, height) = fitted(size, WIDTH);
    let rgba = scale(size, picture.as_raw(), (width, height), PixelType::U8x4);
    let rgb: Vec<u8> = rgba.as_chunks::<4>().0.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect();
    let (width, height) = (width as u16, height as u16);
    let frame = gif::Frame::from_rgb_speed(width, height, &rgb, SPEED);
    let mut file = Vec::new();
    let mut encoder = gif::Encoder::new(&mut file, width, height, &[]).expect("memory can be written to");
    encoder.write_frame(&frame).expect("memory can be written to");
    drop(encoder);
    file
}

fn scaled_png(source: &[u8]) -> ((u32, u32), Vec<u8>) {
    let picture = image::load_from_memory_with_format(source, image::ImageFormat::Png).expect("a whole PNG");
    let DynamicImage::ImageRgb8(picture) = picture else { panic!("the PNG was written as RGB") };
    let (size, to) = ((picture.width(), picture.height()), fitted(picture.dimensions(), WIDTH));
    (to, scale(size, picture.as_raw(), to, PixelType::U8x3))
}

/// The size at a width.
fn fitted((width, height): (u32, u32), to: u32) -> (u32, u32) {
    (to, (f64::from(height) * f64::from(to) / f64::from(width)).round() as u32)
}

fn scale(from: (u32, u32), samples: &[u8], to: (u32, u32), pixel: PixelType) -> Vec<u8> {
    let mut scaled = vec![0; to.0 as usize * to.1 as usize * pixel.size()];
    let source = ImageRef::new(from.0, from.1, samples, pixel).expect("as many as the size says");
    let mut target = Image::from_slice_u8(to.0, to.1, &mut scaled, pixel).expect("as many as the size says");
    let lanczos = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut target, &lanczos).expect("equal pixel types");
    scaled
}

//! The pictures that are measured with: those of a directory, or drawn ones.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, RgbImage};
use mortar::adapters::raster::metadata::Orientation;
use mortar::adapters::raster::probe::{SourceFormat, probe};
use turbojpeg::{PixelFormat, Subsamp};

/// Names the directory of the pictures.
const DIRECTORY: &str = "MORTAR_BENCH_PICTURES";
/// What counts as about twelve megapixels.
const PIXELS: std::ops::Range<u64> = 11_000_000..13_000_000;

/// A JPEG of about twelve megapixels, without metadata.
#[derive(Clone, Debug)]
pub(crate) struct Photograph {
    /// For the report.
    pub(crate) name: String,
    /// The file.
    pub(crate) jpeg: Vec<u8>,
}

/// Upright JPEGs of about twelve megapixels: all in the directory that `MORTAR_BENCH_PICTURES` names, or a drawn one.
pub(crate) fn photographs() -> Vec<Photograph> {
    match mortar::config::environment().get(DIRECTORY) {
        Some(directory) => read(directory.as_ref()),
        None => vec![Photograph { name: "drawn".to_owned(), jpeg: as_jpeg(&drawn(4032, 3024)) }],
    }
}

/// The first of [`photographs`].
pub(crate) fn photograph() -> Photograph {
    photographs().swap_remove(0)
}

/// A drawn JPEG of one megapixel.
pub(crate) fn megapixel() -> Vec<u8> {
    as_jpeg(&drawn(1224, 816))
}

/// The pixels of a JPEG.
pub(crate) fn decode_jpeg(jpeg: &[u8]) -> RgbImage {
    let decoded = turbojpeg::decompress(jpeg, PixelFormat::RGB).expect("a whole JPEG");
    RgbImage::from_raw(decoded.width as u32, decoded.height as u32, decoded.pixels).expect("as many as it says")
}

/// A picture as PNG.
pub(crate) fn as_png(picture: &RgbImage) -> Vec<u8> {
    written(picture, ImageFormat::Png)
}

/// A picture as GIF.
pub(crate) fn as_gif(picture: &RgbImage) -> Vec<u8> {
    written(picture, ImageFormat::Gif)
}

fn written(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let picture = DynamicImage::ImageRgb8(picture.clone());
    match format {
        // The encoder of GIF takes transparent pictures only.
        ImageFormat::Gif => DynamicImage::ImageRgba8(picture.into_rgba8()).write_to(&mut file, format),
        _ => picture.write_to(&mut file, format),
    }
    .expect("memory can be written to");
    file.into_inner()
}

fn as_jpeg(picture: &RgbImage) -> Vec<u8> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = picture.as_raw().as_slice();
    let picture = turbojpeg::Image { pixels, width, height, pitch: width * 3, format: PixelFormat::RGB };
    turbojpeg::compress(picture, 90, Subsamp::Sub2x2).expect("a picture can be compressed").to_vec()
}

fn read(directory: &Path) -> Vec<Photograph> {
    let files = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.sort();
    let photographs: Vec<_> = paths.iter().filter_map(|path| photograph_at(path)).collect();
    assert!(!photographs.is_empty(), "no upright JPEG of about 12 megapixels in {}", directory.display());
    photographs
}

fn photograph_at(path: &Path) -> Option<Photograph> {
    let jpeg = fs::read(path).ok()?;
    let header = probe(&jpeg).ok()?;
    let fits = header.format == SourceFormat::Jpeg
        && header.orientation == Orientation::Upright
        && PIXELS.contains(&(u64::from(header.width) * u64::from(header.height)));
    let name = path.file_stem()?.to_string_lossy().into_owned();
    fits.then(|| Photograph { name, jpeg: without_metadata(&jpeg) })
}

/// The same picture without EXIF, profiles and comments, which both sides of a comparison treat differently.
fn without_metadata(jpeg: &[u8]) -> Vec<u8> {
    const START_OF_SCAN: u8 = 0xDA;
    const COMMENT: u8 = 0xFE;
    let (start, mut rest) = jpeg.split_at(2);
    let mut bare = start.to_vec();
    while let [0xFF, marker, high, low, ..] = *rest
        && marker != START_OF_SCAN
    {
        let length = 2 + usize::from(u16::from_be_bytes([high, low]));
        let Some((segment, tail)) = rest.split_at_checked(length) else { break };
        if !matches!(marker, 0xE1..=0xED | COMMENT) {
            bare.extend_from_slice(segment);
        }
        rest = tail;
    }
    bare.extend_from_slice(rest);
    bare
}

/// Gradients, rings, edges and grain, so that codecs have about as much to do as with a photograph.
fn drawn(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (across, down) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
        let rings = ((across - 0.6).hypot(down - 0.4) * 400.0).sin() * 30.0 * across;
        let edge = if (across * 40.0) as u32 % 2 == (down * 30.0) as u32 % 2 { 25.0 * down } else { 0.0 };
        let grain = f64::from(noise(x, y) & 15) - 7.5;
        let sample = |base: f64| (base + rings + edge + grain).clamp(0.0, 255.0) as u8;
        image::Rgb([sample(40.0 + across * 160.0), sample(60.0 + down * 130.0), sample(50.0 + (1.0 - across) * 140.0)])
    })
}

/// The same for the same place, and like chance otherwise.
fn noise(x: u32, y: u32) -> u32 {
    let mixed = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77);
    (mixed ^ (mixed >> 15)).wrapping_mul(0xC2B2_AE3D) >> 13
}

//! PNG, GIF, TIFF and BMP, which the `image` crate reads whole.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::{DynamicImage, ImageDecoder, ImageError};
use mortar_actors::{Fault, FaultKind};

use super::{DecodeLimits, Decoded, Want, broken, check_size};
use crate::adapters::raster::color::Profile;
use crate::adapters::raster::metadata::Exif;
use crate::adapters::raster::pixels::{Layout, Picture, Pixels, Samples};
use crate::adapters::raster::probe;

/// What decoders may need beside the picture itself: a compressed strip, a palette, a window.
const SCRATCH_BYTES: u64 = 64 << 20;
/// Bytes of the widest pixel: four floating-point samples.
const WIDEST_PIXEL: u64 = 16;

pub(super) fn png(source: &[u8], want: &Want, limits: &DecodeLimits) -> Result<Decoded, Fault> {
    let decoder = PngDecoder::with_limits(Cursor::new(source), memory(limits)).map_err(refused)?;
    let exif = if want.exif { probe::png::exif(source) } else { None };
    read(decoder, exif.as_deref(), limits)
}

/// The first frame on its canvas.
pub(super) fn gif(source: &[u8], limits: &DecodeLimits) -> Result<Decoded, Fault> {
    read(GifDecoder::new(Cursor::new(source)).map_err(refused)?, None, limits)
}

/// The first page. Its EXIF tags are woven into the file's own directory and are not taken out of it.
pub(super) fn tiff(source: &[u8], limits: &DecodeLimits) -> Result<Decoded, Fault> {
    read(TiffDecoder::new(Cursor::new(source)).map_err(refused)?, None, limits)
}

pub(super) fn bmp(source: &[u8], limits: &DecodeLimits) -> Result<Decoded, Fault> {
    read(BmpDecoder::new(Cursor::new(source)).map_err(refused)?, None, limits)
}

fn read(mut decoder: impl ImageDecoder, exif: Option<&[u8]>, limits: &DecodeLimits) -> Result<Decoded, Fault> {
    check_size(decoder.dimensions(), limits)?;
    decoder.set_limits(memory(limits)).map_err(refused)?;
    let icc = decoder.icc_profile().map_err(refused)?;
    let picture = picture(DynamicImage::from_decoder(decoder).map_err(refused)?);
    Ok(Decoded {
        pixels: Pixels::Picture(picture),
        profile: icc.as_deref().map_or(Profile::Srgb, Profile::from_icc),
        exif: exif.and_then(Exif::upright),
    })
}

fn memory(limits: &DecodeLimits) -> image::Limits {
    let mut memory = image::Limits::no_limits();
    memory.max_alloc = Some(limits.pixels.saturating_mul(WIDEST_PIXEL).saturating_add(SCRATCH_BYTES));
    memory
}

fn picture(image: DynamicImage) -> Picture {
    let (width, height) = (image.width(), image.height());
    let (layout, samples) = match image {
        DynamicImage::ImageLuma8(buffer) => (Layout::Gray, Samples::U8(buffer.into_raw())),
        DynamicImage::ImageLumaA8(buffer) => (Layout::GrayAlpha, Samples::U8(buffer.into_raw())),
        DynamicImage::ImageRgb8(buffer) => (Layout::Rgb, Samples::U8(buffer.into_raw())),
        DynamicImage::ImageRgba8(buffer) => (Layout::Rgba, Samples::U8(buffer.into_raw())),
        DynamicImage::ImageLuma16(buffer) => (Layout::Gray, Samples::U16(buffer.into_raw())),
        DynamicImage::ImageLumaA16(buffer) => (Layout::GrayAlpha, Samples::U16(buffer.into_raw())),
        DynamicImage::ImageRgb16(buffer) => (Layout::Rgb, Samples::U16(buffer.into_raw())),
        // Floating point has more range than sixteen bits; what is beyond white and black is cut, as on any display.
        float if !float.color().has_alpha() => (Layout::Rgb, Samples::U16(float.into_rgb16().into_raw())),
        other => (Layout::Rgba, Samples::U16(other.into_rgba16().into_raw())),
    };
    Picture { width, height, layout, samples }
}

fn refused(error: ImageError) -> Fault {
    match error {
        ImageError::Unsupported(_) => {
            Fault::new(FaultKind::Unprocessable, "the picture uses a feature of its format that is not supported")
                .caused_by(error)
        }
        ImageError::Limits(_) => {
            Fault::new(FaultKind::Unprocessable, "the picture takes more memory than allowed").caused_by(error)
        }
        _ => broken("the picture is corrupt or cut off", error),
    }
}

//! PNG: 8 or 16 bits, grey or colours, with or without alpha.

use std::borrow::Cow;

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use mortar_actors::Fault;

use super::shallow::interleaved;
use super::{EncodeSettings, failed};
use crate::adapters::raster::pixels::{Layout, Pixels, Samples};

pub(super) fn encode(pixels: &Pixels, settings: &EncodeSettings) -> Result<Bytes, Fault> {
    let picture = interleaved(pixels)?;
    let (bytes, deep) = match &picture.samples {
        Samples::U8(samples) => (Cow::Borrowed(samples.as_slice()), false),
        Samples::U16(samples) => (samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect(), true),
    };
    let color = match (picture.layout, deep) {
        (Layout::Gray, false) => ExtendedColorType::L8,
        (Layout::Gray, true) => ExtendedColorType::L16,
        (Layout::GrayAlpha, false) => ExtendedColorType::La8,
        (Layout::GrayAlpha, true) => ExtendedColorType::La16,
        (Layout::Rgb, false) => ExtendedColorType::Rgb8,
        (Layout::Rgb, true) => ExtendedColorType::Rgb16,
        (Layout::Rgba, false) => ExtendedColorType::Rgba8,
        (Layout::Rgba, true) => ExtendedColorType::Rgba16,
    };
    let mut file = Vec::new();
    let level = CompressionType::Level(settings.png_compression.clamp(1, 9));
    let mut encoder = PngEncoder::new_with_quality(&mut file, level, FilterType::Adaptive);
    if let Some(exif) = &settings.exif {
        encoder.set_exif_metadata(exif.as_bytes().to_vec()).map_err(failed)?;
    }
    encoder.write_image(&bytes, picture.width, picture.height, color).map_err(failed)?;
    Ok(file.into())
}

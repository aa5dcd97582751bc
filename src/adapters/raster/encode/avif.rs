//! AVIF: 8-bit full-range BT.601, so that JPEG planes go in untouched; alpha is a second grey picture.

use std::borrow::Cow;

use avif_serialize::Aviffy;
use bytes::Bytes;
use mortar_actors::{Fault, StopFlag};

use super::shallow::Shallow;
use super::{EncodeSettings, chroma, failed};
use crate::adapters::raster::ffi::aom::{self, Settings};
use crate::adapters::raster::ffi::turbo;
use crate::adapters::raster::pixels::{Layout, Picture, Pixels, Plane, Planes, Subsampling};

pub(super) fn encode(pixels: &Pixels, settings: &EncodeSettings, stop: &StopFlag) -> Result<Bytes, Fault> {
    let (planes, alpha) = match pixels {
        Pixels::Planes(planes) => (writable(planes, settings.quality), None),
        Pixels::Picture(picture) => {
            let (planes, alpha) = converted(picture, settings.quality)?;
            (Cow::Owned(planes), alpha)
        }
    };
    let effort = Settings { quantizer: quantizer(settings.quality), speed: settings.avif_speed };
    let color_stream = aom::encode(&planes, effort).map_err(failed)?;
    stop.check()?;
    let alpha_stream = alpha.map(|alpha| aom::encode(&alpha, effort)).transpose().map_err(failed)?;
    let is_full = planes.subsampling() == Some(Subsampling::Full);
    let mut container = Aviffy::new();
    container
        .set_width(planes.width)
        .set_height(planes.height)
        .set_bit_depth(8)
        .set_seq_profile(u8::from(is_full))
        .set_chroma_subsampling((!is_full, !is_full))
        .set_monochrome(planes.chroma.is_none());
    if let Some(exif) = &settings.exif {
        container.set_exif(exif.as_bytes().to_vec());
    }
    let mut file = Vec::with_capacity(color_stream.len() + alpha_stream.as_ref().map_or(0, Vec::len) + 1024);
    container.write_slice(&mut file, &color_stream, alpha_stream.as_deref()).map_err(failed)?;
    Ok(file.into())
}

/// The quality of libheif and libvips, so that equal numbers mean about equal pictures: 100 is quantizer 0, 0 is 63.
fn quantizer(quality: u8) -> u8 {
    let loss = u16::from(100 - quality.min(100));
    // At most 63, so the cast keeps everything.
    ((loss * 63 + 50) / 100) as u8
}

/// Every browser shows 4:2:0 and 4:4:4; what lies between is brought down.
fn writable(planes: &Planes, quality: u8) -> Cow<'_, Planes> {
    match planes.subsampling() {
        Some(Subsampling::Full) => chroma::reduced_for(planes, quality),
        _ => chroma::quartered(planes),
    }
}

fn converted(picture: &Picture, quality: u8) -> Result<(Planes, Option<Planes>), Fault> {
    let (colors, alpha) = Shallow::of(picture).without_idle_alpha().split_alpha();
    let (width, height) = colors.size;
    let gray = |samples: Vec<u8>| Planes { width, height, luma: Plane { width, height, samples }, chroma: None };
    let alpha = alpha.map(gray);
    if colors.layout == Layout::Gray {
        return Ok((gray(colors.samples.into_owned()), alpha));
    }
    let planes = turbo::picture_to_planes(colors.size, &colors.samples, chroma::subsampling_for(quality));
    Ok((planes.map_err(failed)?, alpha))
}

//! WebP, lossy; the EXIF block goes into the extended container.

use bytes::Bytes;
use mortar_actors::{Fault, StopFlag};

use super::shallow::{Shallow, interleaved};
use super::{EncodeSettings, chroma, failed};
use crate::adapters::raster::ffi::webp::{self, Effort, Imported};
use crate::adapters::raster::metadata::Exif;
use crate::adapters::raster::pixels::Pixels;

const RIFF_HEADER: usize = 12;
const EXTENDED_CHUNK: usize = 18;
const EXIF_FLAG: u8 = 0x08;

pub(super) fn encode(pixels: &Pixels, settings: &EncodeSettings, stop: &StopFlag) -> Result<Bytes, Fault> {
    let imported = match pixels {
        Pixels::Planes(planes) if planes.chroma.is_some() => Imported::from_planes(&chroma::quartered(planes)),
        pixels => {
            let picture = interleaved(pixels)?;
            let shallow = Shallow::of(&picture).without_idle_alpha().with_colors();
            Imported::from_samples(shallow.size, &shallow.samples, shallow.layout.has_alpha())
        }
    };
    let effort = Effort { quality: settings.quality, method: settings.webp_method };
    let file = webp::encode(imported.map_err(failed)?, effort, stop)
        .map_err(|error| stop.check().err().unwrap_or_else(|| failed(error)))?;
    Ok(match &settings.exif {
        Some(exif) => with_exif(&file, pixels.size(), exif).into(),
        None => file.into(),
    })
}

/// Adds a chunk at the end, and the extended header at the front where libwebp had no need for one.
fn with_exif(file: &[u8], (width, height): (u32, u32), exif: &Exif) -> Vec<u8> {
    let block = exif.as_bytes();
    let mut whole = Vec::with_capacity(file.len() + EXTENDED_CHUNK + 9 + block.len());
    whole.extend_from_slice(&file[..RIFF_HEADER]);
    if file[RIFF_HEADER..].starts_with(b"VP8X") {
        whole.extend_from_slice(&file[RIFF_HEADER..]);
        whole[RIFF_HEADER + 8] |= EXIF_FLAG;
    } else {
        whole.extend_from_slice(b"VP8X\x0a\0\0\0");
        whole.extend_from_slice(&[EXIF_FLAG, 0, 0, 0]);
        whole.extend_from_slice(&(width - 1).to_le_bytes()[..3]);
        whole.extend_from_slice(&(height - 1).to_le_bytes()[..3]);
        whole.extend_from_slice(&file[RIFF_HEADER..]);
    }
    whole.extend_from_slice(b"EXIF");
    // A block is at most 64 KiB and a WebP file below 4 GiB, so both lengths fit.
    whole.extend_from_slice(&(block.len() as u32).to_le_bytes());
    whole.extend_from_slice(block);
    if !block.len().is_multiple_of(2) {
        whole.push(0);
    }
    let riff_length = (whole.len() - 8) as u32;
    whole[4..8].copy_from_slice(&riff_length.to_le_bytes());
    whole
}

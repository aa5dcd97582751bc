//! JPEG: from planes where there are any, with optimised Huffman tables.

use bytes::{BufMut, Bytes, BytesMut};
use mortar_actors::Fault;

use super::shallow::Shallow;
use super::{EncodeSettings, chroma, failed};
use crate::adapters::raster::ffi::turbo::Compressor;
use crate::adapters::raster::metadata::{EXIF_PREFIX, Exif};
use crate::adapters::raster::pixels::{Layout, Pixels, Subsampling};

/// SOI and the JFIF segment that libjpeg writes first; further segments go behind it.
const JFIF_END: usize = 2 + 18;

pub(super) fn encode(pixels: &Pixels, settings: &EncodeSettings) -> Result<Bytes, Fault> {
    let compressor = Compressor::new(settings.quality, settings.interlace).map_err(failed)?;
    let compressed = match pixels {
        Pixels::Planes(planes) => compressor.planes(&chroma::reduced_for(planes, settings.quality)),
        Pixels::Picture(picture) => {
            let flat = Shallow::of(picture).on_white();
            let subsampling = match flat.layout {
                Layout::Gray => Subsampling::Gray,
                _ => chroma::subsampling_for(settings.quality),
            };
            compressor.samples(flat.size, &flat.samples, subsampling)
        }
    };
    let compressed = compressed.map_err(failed)?;
    Ok(assemble(compressed.as_slice(), settings.exif.as_ref()))
}

fn assemble(jpeg: &[u8], exif: Option<&Exif>) -> Bytes {
    let (Some(exif), Some((head, tail))) = (exif, jpeg.split_at_checked(JFIF_END)) else {
        return Bytes::copy_from_slice(jpeg);
    };
    let length = 2 + EXIF_PREFIX.len() + exif.as_bytes().len();
    // `Exif` holds no more than fits into one segment; this only keeps the arithmetic honest.
    let Ok(length) = u16::try_from(length) else { return Bytes::copy_from_slice(jpeg) };
    let mut whole = BytesMut::with_capacity(jpeg.len() + 2 + usize::from(length));
    whole.put_slice(head);
    whole.put_slice(&[0xFF, 0xE1]);
    whole.put_u16(length);
    whole.put_slice(EXIF_PREFIX);
    whole.put_slice(exif.as_bytes());
    whole.put_slice(tail);
    whole.freeze()
}

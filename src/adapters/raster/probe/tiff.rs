//! TIFF: the first directory.

use mortar_actors::Fault;

use super::{Header, SourceFormat, corrupt};
use crate::adapters::raster::metadata::{Orientation, tiff_block};

const WIDTH: u16 = 0x0100;
const HEIGHT: u16 = 0x0101;
const BITS_PER_SAMPLE: u16 = 0x0102;
const EXTRA_SAMPLES: u16 = 0x0152;

pub(super) fn probe(source: &[u8]) -> Result<Header, Fault> {
    let required = |tag| tiff_block::number(source, tag).ok_or_else(|| corrupt("the TIFF has no usable directory"));
    Ok(Header {
        format: SourceFormat::Tiff,
        width: required(WIDTH)?,
        height: required(HEIGHT)?,
        orientation: Orientation::of_exif(source),
        frames: 1,
        has_alpha: tiff_block::number(source, EXTRA_SAMPLES).is_some(),
        bit_depth: tiff_block::number(source, BITS_PER_SAMPLE).and_then(|bits| u8::try_from(bits).ok()).unwrap_or(1),
        progressive: false,
    })
}

//! libjpeg-turbo: JPEG to planes or pixels, planes or pixels to JPEG, planes to pixels and back.

mod compress;
mod convert;
mod decompress;
mod handle;
mod padding;

pub(in crate::adapters::raster) use compress::Compressor;
pub(in crate::adapters::raster) use convert::{picture_to_planes, planes_to_rgb};
pub(in crate::adapters::raster) use decompress::{Colorspace, Decompressor, Samples, Stream};
pub(in crate::adapters::raster) use handle::TurboError;

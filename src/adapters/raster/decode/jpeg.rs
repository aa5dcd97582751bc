//! JPEG: shrunk in the DCT, to planes where nothing needs the RGB in between.

use mortar_actors::Fault;

use super::{DecodeLimits, Decoded, Want, check_size};
use crate::adapters::raster::color::{self, Profile};
use crate::adapters::raster::ffi::turbo::{Colorspace, Decompressor, Samples as Kind, Stream, TurboError};
use crate::adapters::raster::metadata::Exif;
use crate::adapters::raster::pixels::{Layout, Picture, Pixels, Samples};
use crate::adapters::raster::probe::jpeg;

/// The factors whose inverse DCT is vectorised and free of the odd ones' artefacts, smallest picture first.
const SHRINKS: [u32; 3] = [8, 4, 2];

pub(super) fn decode(source: &[u8], want: &Want, limits: &DecodeLimits) -> Result<Decoded, Fault> {
    let embedded = jpeg::embedded(source);
    let mut decompressor = Decompressor::open(source, limits.pixels).map_err(broken)?;
    let stream = decompressor.stream();
    // The library refuses too, but only after the buffers are made.
    check_size((stream.width, stream.height), limits)?;
    decompressor.shrink(shrink_for(&stream, want)).map_err(broken)?;
    let exif = embedded.exif.filter(|_| want.exif).and_then(|block| Exif::upright(&block));
    let icc = embedded.icc.as_deref();
    let (pixels, profile) = match stream.colorspace {
        Colorspace::Cmyk => (cmyk(decompressor, source, icc)?, Profile::Srgb),
        Colorspace::Gray => {
            let profile = icc.map_or(Profile::Srgb, Profile::from_icc);
            (interleaved(decompressor, Kind::Gray)?, profile)
        }
        Colorspace::YCbCr | Colorspace::Rgb => {
            let profile = icc.map_or(Profile::Srgb, Profile::from_icc);
            (color_pixels(decompressor, &stream, want.planes && profile.is_srgb())?, profile)
        }
    };
    Ok(Decoded { pixels, profile, exif })
}

fn shrink_for(stream: &Stream, want: &Want) -> u32 {
    let Some((width, height)) = want.at_least else { return 1 };
    let serves = |shrink: &u32| stream.width.div_ceil(*shrink) >= width && stream.height.div_ceil(*shrink) >= height;
    SHRINKS.into_iter().find(serves).unwrap_or(1)
}

fn color_pixels(decompressor: Decompressor<'_>, stream: &Stream, planes: bool) -> Result<Pixels, Fault> {
    if planes && stream.colorspace == Colorspace::YCbCr && stream.subsampling.is_some() {
        return decompressor.planes().map(Pixels::Planes).map_err(broken);
    }
    interleaved(decompressor, Kind::Rgb)
}

fn interleaved(decompressor: Decompressor<'_>, want: Kind) -> Result<Pixels, Fault> {
    let layout = if want == Kind::Gray { Layout::Gray } else { Layout::Rgb };
    let (width, height, samples) = decompressor.samples(want).map_err(broken)?;
    Ok(Pixels::Picture(Picture { width, height, layout, samples: Samples::U8(samples) }))
}

fn cmyk(decompressor: Decompressor<'_>, source: &[u8], icc: Option<&[u8]>) -> Result<Pixels, Fault> {
    let (width, height, mut inks) = decompressor.samples(Kind::Cmyk).map_err(broken)?;
    if jpeg::has_adobe_marker(source) {
        inks.iter_mut().for_each(|ink| *ink = 255 - *ink);
    }
    let samples = color::cmyk_to_srgb(&inks, width, icc);
    Ok(Pixels::Picture(Picture { width, height, layout: Layout::Rgb, samples: Samples::U8(samples) }))
}

fn broken(error: TurboError) -> Fault {
    super::broken("the JPEG is corrupt or cut off", error)
}

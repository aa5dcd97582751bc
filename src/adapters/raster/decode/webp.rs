//! WebP: shrunk by whole factors while its rows come out, so that the full RGB is never held.

use mortar_actors::{Fault, FaultKind};

use super::{Decoded, Want};
use crate::adapters::raster::color::Profile;
use crate::adapters::raster::ffi::webp::{self, AnimDecoder, WebpError};
use crate::adapters::raster::metadata::Exif;
use crate::adapters::raster::pixels::{Layout, Picture, Pixels, Samples};
use crate::adapters::raster::probe::{self, Header};

pub(super) fn decode(source: &[u8], header: &Header, want: &Want) -> Result<Decoded, Fault> {
    let embedded = probe::webp::embedded(source);
    let picture =
        if probe::webp::is_animated(source) { first_frame(source, header)? } else { still(source, header, want)? };
    Ok(Decoded {
        pixels: Pixels::Picture(picture),
        profile: embedded.icc.as_deref().map_or(Profile::Srgb, Profile::from_icc),
        exif: embedded.exif.filter(|_| want.exif).and_then(|block| Exif::upright(&block)),
    })
}

fn still(source: &[u8], header: &Header, want: &Want) -> Result<Picture, Fault> {
    let shrink = shrink_for(header, want);
    let (width, height) = (header.width.div_ceil(shrink), header.height.div_ceil(shrink));
    let samples = webp::decode(source, (width, height), header.has_alpha).map_err(broken)?;
    let layout = if header.has_alpha { Layout::Rgba } else { Layout::Rgb };
    Ok(Picture { width, height, layout, samples: Samples::U8(samples) })
}

/// Whole factors only: then each pixel is the plain mean of its square, which loses nothing to the resampler.
fn shrink_for(header: &Header, want: &Want) -> u32 {
    let Some((width, height)) = want.at_least else { return 1 };
    (header.width / width.max(1)).min(header.height / height.max(1)).max(1)
}

fn first_frame(source: &[u8], header: &Header) -> Result<Picture, Fault> {
    let mut decoder = AnimDecoder::open(source).map_err(broken)?;
    let (width, height) = decoder.size();
    if (width, height) != (header.width, header.height) {
        return Err(Fault::new(FaultKind::Unprocessable, "the WebP contradicts its header"));
    }
    let (samples, _) = decoder
        .next()
        .map_err(broken)?
        .ok_or_else(|| Fault::new(FaultKind::Unprocessable, "the WebP animation has no frames"))?;
    Ok(Picture { width, height, layout: Layout::Rgba, samples: Samples::U8(samples) })
}

fn broken(error: WebpError) -> Fault {
    super::broken("the WebP is corrupt or cut off", error)
}

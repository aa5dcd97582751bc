//! GIF: at most 256 colours, transparent or not.

use bytes::Bytes;
use gif::{Encoder, Frame};
use mortar_actors::{Fault, FaultKind};

use super::failed;
use super::shallow::{Shallow, interleaved};
use crate::adapters::raster::pixels::{Layout, Pixels};

/// How thoroughly colours are chosen, 1 (best) to 30 (fastest): the quantiser's own recommendation.
pub(in crate::adapters::raster) const SPEED: i32 = 10;

pub(super) fn encode(pixels: &Pixels) -> Result<Bytes, Fault> {
    let picture = interleaved(pixels)?;
    let shallow = Shallow::of(&picture).without_idle_alpha().with_colors();
    let (Ok(width), Ok(height)) = (u16::try_from(shallow.size.0), u16::try_from(shallow.size.1)) else {
        return Err(Fault::new(FaultKind::Invalid, "a GIF has at most 65535 pixels on a side"));
    };
    let frame = if shallow.layout == Layout::Rgba {
        let mut rgba = shallow.samples.into_owned();
        harden_alpha(&mut rgba);
        Frame::from_rgba_speed(width, height, &mut rgba, SPEED)
    } else {
        Frame::from_rgb_speed(width, height, &shallow.samples, SPEED)
    };
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height, &[]).map_err(failed)?;
    encoder.write_frame(&frame).map_err(failed)?;
    // Dropping the encoder would write the end as well, but could not say that it failed.
    encoder.into_inner().map_err(failed)?;
    Ok(file.into())
}

/// GIF pixels are there or not: half and more is there.
pub(in crate::adapters::raster) fn harden_alpha(rgba: &mut [u8]) {
    for pixel in rgba.as_chunks_mut::<4>().0 {
        *pixel = if pixel[3] < 128 { [0; 4] } else { [pixel[0], pixel[1], pixel[2], 255] };
    }
}

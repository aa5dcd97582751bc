//! AVIF: AV1 streams to planes, and planes to pixels where they are not what JPEG calls planes.

mod canvas;
mod convert;
mod stream;

use mortar_actors::Fault;

use self::canvas::{Frame, Signal};
use super::{DecodeLimits, Decoded, Want, check_size};
use crate::adapters::raster::color::{self, Profile};
use crate::adapters::raster::metadata::Exif;
use crate::adapters::raster::pixels::{Picture, Pixels, Planes};
use crate::adapters::raster::probe::avif::{self, Avif};

pub(super) fn decode(source: &[u8], want: &Want, limits: &DecodeLimits) -> Result<Decoded, Fault> {
    let container = avif::parse(source)?;
    let size = (container.width, container.height);
    check_size(size, limits)?;
    let (frame, found) = stream::decode(&container.color, size, limits)?;
    let signal = container.code_points.map_or(found, Signal::from);
    let profile = profile(&container, signal);
    let exif = container.embedded.exif.as_deref().filter(|_| want.exif).and_then(Exif::upright);
    let pixels = match frame {
        Frame::Eight(canvas) if want.planes && container.alpha.is_none() && signal.is_jfif() && profile.is_srgb() => {
            Pixels::Planes(Planes::from(canvas))
        }
        frame => Pixels::Picture(picture(frame, signal, &container, limits)?),
    };
    Ok(Decoded { pixels, profile, exif })
}

fn picture(frame: Frame, signal: Signal, container: &Avif<'_>, limits: &DecodeLimits) -> Result<Picture, Fault> {
    let opaque = match frame {
        // What JPEG has too is converted by its vectorised code.
        Frame::Eight(canvas) if signal.is_jfif() => color::planes_to_picture(&Planes::from(canvas))?,
        frame => convert::to_picture(&frame, signal)?,
    };
    let Some(coded) = &container.alpha else { return Ok(opaque) };
    let (alpha, signal) = stream::decode(coded, (container.width, container.height), limits)?;
    convert::with_alpha(&opaque, &convert::luma(&alpha, signal), container.premultiplied)
}

/// An ICC profile says more than code points do.
fn profile(container: &Avif<'_>, signal: Signal) -> Profile {
    match &container.embedded.icc {
        Some(icc) => Profile::from_icc(icc),
        None => Profile::from_code_points(signal.primaries, signal.transfer),
    }
}

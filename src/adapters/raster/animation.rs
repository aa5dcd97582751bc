//! Animations, one composed frame at a time: no more than a few canvases are ever held.

mod gif_encoder;

use std::fmt;
use std::io::Cursor;
use std::time::Duration;

use bytes::Bytes;
use image::codecs::gif::GifDecoder;
use image::metadata::LoopCount;
use image::{AnimationDecoder, ImageDecoder};
use mortar_actors::{Fault, FaultKind};

use self::gif_encoder::GifEncoder;
use super::color::Profile;
use super::decode::{DecodeLimits, check_size};
use super::encode::{self, EncodeSettings};
use super::ffi::webp::{AnimDecoder, AnimEncoder, Effort};
use super::pixels::{Layout, Picture, Samples};
use super::probe::{self, Header, SourceFormat};
use crate::domain::plan::Format;

/// One frame: the whole canvas as it looks while the frame is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The canvas, RGBA with eight bits.
    pub picture: Picture,
    /// How long it is shown. Formats round it: GIF to hundredths, WebP to thousandths of a second.
    pub delay: Duration,
}

/// How often an animation plays: a number of times, or for ever where it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loops(pub u16);

/// The frames of an animated GIF or WebP, in order. Ends after the first error.
pub struct Frames<'source> {
    source: Source<'source>,
    loops: Loops,
    profile: Profile,
    /// Frames that may still come before the limit is broken.
    left: u32,
    ended: bool,
}

/// Takes frames one by one and writes an animated GIF or WebP.
#[derive(Debug)]
pub struct FrameEncoder {
    size: (u32, u32),
    target: Target,
}

enum Source<'source> {
    Gif(image::Frames<'source>),
    Webp(AnimDecoder<'source>),
}

#[derive(Debug)]
enum Target {
    Gif(GifEncoder),
    Webp(AnimEncoder),
}

/// Opens an animation.
///
/// # Errors
/// `Unprocessable` for a source that is no animation, is corrupt, or has more frames than `limits` allow.
pub fn frames<'source>(
    source: &'source [u8],
    header: &Header,
    limits: &DecodeLimits,
) -> Result<Frames<'source>, Fault> {
    check_size((header.width, header.height), limits)?;
    if header.frames > limits.frames {
        return Err(too_many());
    }
    let (source, loops, profile) = match header.format {
        SourceFormat::Gif => open_gif(source, limits)?,
        SourceFormat::Webp => open_webp(source, header)?,
        _ => return Err(Fault::new(FaultKind::Unprocessable, "the source is not an animation")),
    };
    Ok(Frames { source, loops, profile, left: limits.frames, ended: false })
}

fn open_gif<'source>(source: &'source [u8], limits: &DecodeLimits) -> Result<(Source<'source>, Loops, Profile), Fault> {
    let decoder = GifDecoder::new(Cursor::new(source)).map_err(corrupt)?;
    check_size(decoder.dimensions(), limits)?;
    let loops = match decoder.loop_count() {
        LoopCount::Infinite => Loops(0),
        LoopCount::Finite(times) => Loops(u16::try_from(times.get()).unwrap_or(0)),
    };
    Ok((Source::Gif(decoder.into_frames()), loops, Profile::Srgb))
}

fn open_webp<'source>(source: &'source [u8], header: &Header) -> Result<(Source<'source>, Loops, Profile), Fault> {
    let decoder = AnimDecoder::open(source).map_err(corrupt)?;
    if decoder.size() != (header.width, header.height) || decoder.frames() > header.frames {
        return Err(Fault::new(FaultKind::Unprocessable, "the animation contradicts its header"));
    }
    let loops = Loops(u16::try_from(decoder.loops()).unwrap_or(0));
    let profile = probe::webp::embedded(source).icc.as_deref().map_or(Profile::Srgb, Profile::from_icc);
    Ok((Source::Webp(decoder), loops, profile))
}

impl Frames<'_> {
    /// How often the animation plays.
    pub fn loops(&self) -> Loops {
        self.loops
    }

    /// What the samples of every frame mean.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    fn advance(&mut self) -> Result<Option<Frame>, Fault> {
        let frame = match &mut self.source {
            Source::Gif(frames) => frames.next().transpose().map_err(corrupt)?.map(from_gif),
            Source::Webp(decoder) => {
                let (width, height) = decoder.size();
                decoder.next().map_err(corrupt)?.map(|(rgba, delay_ms)| Frame {
                    picture: Picture { width, height, layout: Layout::Rgba, samples: Samples::U8(rgba) },
                    delay: Duration::from_millis(u64::from(delay_ms)),
                })
            }
        };
        if frame.is_some() {
            self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
        }
        Ok(frame)
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl fmt::Debug for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("loops", &self.loops).field("left", &self.left).finish_non_exhaustive()
    }
}

impl FrameEncoder {
    /// Starts an animation of `width` x `height` pixels in `settings.format`, GIF or WebP.
    ///
    /// # Errors
    /// `Invalid` for a canvas too large for the format or a format that has no animation.
    pub fn new(width: u32, height: u32, loops: Loops, settings: &EncodeSettings) -> Result<Self, Fault> {
        encode::check_size((width, height), settings.format)?;
        let effort = Effort { quality: settings.quality, method: settings.webp_method };
        let target = match settings.format {
            Format::Gif => Target::Gif(GifEncoder::new((width, height), loops)?),
            Format::Webp => Target::Webp(AnimEncoder::new((width, height), loops.0, effort).map_err(encode::failed)?),
            _ => return Err(Fault::new(FaultKind::Invalid, "this format has no animations")),
        };
        Ok(Self { size: (width, height), target })
    }

    /// Adds a frame, which must be sRGB, RGBA with eight bits, and as large as the canvas.
    ///
    /// # Errors
    /// `Internal` when the frame is of another kind or the encoder fails.
    pub fn push(&mut self, frame: &Frame) -> Result<(), Fault> {
        let picture = &frame.picture;
        let Samples::U8(rgba) = &picture.samples else { return Err(unfit()) };
        if picture.layout != Layout::Rgba || (picture.width, picture.height) != self.size {
            return Err(unfit());
        }
        match &mut self.target {
            Target::Gif(encoder) => encoder.push(rgba, frame.delay),
            Target::Webp(encoder) => {
                let delay_ms = u32::try_from(frame.delay.as_millis()).unwrap_or(u32::MAX);
                encoder.push(rgba, delay_ms).map_err(encode::failed)
            }
        }
    }

    /// Ends the animation.
    ///
    /// # Errors
    /// `Internal` when the encoder fails or no frame was pushed.
    pub fn finish(self) -> Result<Bytes, Fault> {
        match self.target {
            Target::Gif(encoder) => encoder.finish(),
            Target::Webp(encoder) => encoder.finish().map(Bytes::from).map_err(encode::failed),
        }
    }
}

fn from_gif(frame: image::Frame) -> Frame {
    let delay = Duration::from(frame.delay());
    let canvas = frame.into_buffer();
    let (width, height) = canvas.dimensions();
    let picture = Picture { width, height, layout: Layout::Rgba, samples: Samples::U8(canvas.into_raw()) };
    Frame { picture, delay }
}

fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::new(FaultKind::Unprocessable, "the animation is corrupt or cut off").caused_by(error)
}

fn too_many() -> Fault {
    Fault::new(FaultKind::Unprocessable, "the animation has more frames than allowed")
}

fn unfit() -> Fault {
    Fault::new(FaultKind::Internal, "a frame does not fit its animation")
}

#[cfg(test)]
mod tests;

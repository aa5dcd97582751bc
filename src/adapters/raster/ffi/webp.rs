//! libwebp: one picture or an animation, both ways.

mod anim_decode;
mod anim_encode;
mod decode;
mod encode;

use std::error::Error;
use std::fmt;

pub(in crate::adapters::raster) use anim_decode::AnimDecoder;
pub(in crate::adapters::raster) use anim_encode::AnimEncoder;
pub(in crate::adapters::raster) use decode::decode;
pub(in crate::adapters::raster) use encode::{Effort, Imported, encode};

/// What libwebp says of a failure.
#[derive(Debug)]
pub(in crate::adapters::raster) struct WebpError(String);

impl WebpError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for WebpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "libwebp: {}", self.0)
    }
}

impl Error for WebpError {}

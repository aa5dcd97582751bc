//! libaom: one still picture to AV1, and a look at a stream's size before it is decoded.

mod encode;
mod peek;

use std::error::Error;
use std::fmt;

pub(in crate::adapters::raster) use encode::{Settings, encode};
pub(in crate::adapters::raster) use peek::stream_size;

/// What libaom says of a failure.
#[derive(Debug)]
pub(in crate::adapters::raster) struct AomError(&'static str);

impl fmt::Display for AomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "libaom: {}", self.0)
    }
}

impl Error for AomError {}

//! The outside world behind the ports: stores, and the image engine.

pub mod raster;

//! The image engine: decode, colour, operations, encode.

pub mod pixels;

//! The image engine: decode, colour, operations, encode.

pub mod animation;
pub mod color;
pub mod decode;
#[cfg(test)]
mod drawn;
pub mod encode;
mod ffi;
pub mod metadata;
pub mod pixels;
pub mod probe;

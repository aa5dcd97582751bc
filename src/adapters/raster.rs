//! The image engine: decode, colour, operations, encode.

mod alpha;
pub mod animation;
mod attention;
mod blur;
pub mod color;
pub mod decode;
#[cfg(test)]
mod drawn;
pub mod encode;
pub mod engine;
mod ffi;
mod geometry;
mod grayscale;
mod lanczos;
mod limits;
pub mod metadata;
pub mod overlay;
pub mod pixels;
pub mod probe;
mod resample;
mod rotate;
mod sample;
mod transpose;

//! What the fuzz targets share. Each target is a promise that holds for any bytes at all; what breaks it is a panic,
//! which the fuzzer reports together with the bytes.

mod checksums;
mod picture;

pub use checksums::with_right_checksums;
pub use picture::render;

//! What a source is, read from its header alone: format, size, orientation, frames.

pub(super) mod avif;
mod bmp;
mod ending;
pub(super) mod gif;
pub(super) mod jpeg;
pub(super) mod png;
mod sniff;
mod tiff;
pub(super) mod webp;

use mortar_actors::{Fault, FaultKind};

use super::metadata::Orientation;

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceFormat {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, lossy or lossless, still or animated.
    Webp,
    /// GIF, still or animated.
    Gif,
    /// TIFF; its first page.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// AVIF; the primary picture.
    Avif,
}

/// What the header says. Nothing in it is proved until the picture is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format, told by the content, not by a name.
    pub format: SourceFormat,
    /// Width as stored, before the orientation is applied, in pixels; never zero.
    pub width: u32,
    /// Height as stored, before the orientation is applied, in pixels; never zero.
    pub height: u32,
    /// How the stored picture has to be turned for display.
    pub orientation: Orientation,
    /// Pictures in an animated GIF or WebP; 1 for everything else.
    pub frames: u32,
    /// Whether pixels may be transparent.
    pub has_alpha: bool,
    /// Bits per sample as stored: 1 to 16, or 32 for floating point.
    pub bit_depth: u8,
    /// Progressive JPEG: its coefficients are held in memory, 3 bytes a pixel or more, while it is decoded.
    pub progressive: bool,
}

impl SourceFormat {
    /// The media type, as in `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Tiff => "image/tiff",
            Self::Bmp => "image/bmp",
            Self::Avif => "image/avif",
        }
    }
}

impl Header {
    /// Width and height as displayed: swapped where the orientation turns the picture by a quarter.
    pub fn displayed_size(&self) -> (u32, u32) {
        if self.orientation.swaps_sides() { (self.height, self.width) } else { (self.width, self.height) }
    }

    /// Pixels of all frames together.
    pub fn total_pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * u64::from(self.frames)
    }
}

/// Reads the header of a source.
///
/// # Errors
/// `Unprocessable` for a format that is not supported (naming it), and for a header that is cut off or contradicts
/// itself.
pub fn probe(source: &[u8]) -> Result<Header, Fault> {
    let header = match sniff::sniff(source)? {
        SourceFormat::Jpeg => jpeg::probe(source),
        SourceFormat::Png => png::probe(source),
        SourceFormat::Webp => webp::probe(source),
        SourceFormat::Gif => gif::probe(source),
        SourceFormat::Tiff => tiff::probe(source),
        SourceFormat::Bmp => bmp::probe(source),
        SourceFormat::Avif => avif::probe(source),
    }?;
    if header.width == 0 || header.height == 0 {
        return Err(corrupt("the picture has a side of zero pixels"));
    }
    Ok(header)
}

/// Reads the header of a result, as this service writes them.
///
/// # Errors
/// As [`probe`], and `Unprocessable` for a file whose end is missing.
pub fn probe_whole(file: &[u8]) -> Result<Header, Fault> {
    let header = probe(file)?;
    if !ending::has_end(file, header.format) {
        return Err(corrupt("the picture is cut off"));
    }
    Ok(header)
}

/// The header is cut off or contradicts itself.
fn corrupt(message: &'static str) -> Fault {
    Fault::new(FaultKind::Unprocessable, message)
}

/// The source is in order but nothing here can read it.
fn unsupported(message: &'static str) -> Fault {
    Fault::new(FaultKind::Unprocessable, message)
}

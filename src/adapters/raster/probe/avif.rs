//! AVIF: the container, down to the AV1 streams of the primary picture and its alpha.

mod boxes;
mod items;

use std::borrow::Cow;

use mortar_actors::Fault;

use super::{Header, SourceFormat, corrupt, unsupported};
use crate::adapters::raster::metadata::{Embedded, Orientation};
use boxes::Boxes;
use items::{Items, Property};

/// A grid has at most 256 x 256 tiles; far fewer are ever used.
const MAX_TILES: usize = 1024;

/// The primary picture.
#[derive(Clone, Debug)]
pub(in crate::adapters::raster) struct Avif<'source> {
    pub(in crate::adapters::raster) width: u32,
    pub(in crate::adapters::raster) height: u32,
    pub(in crate::adapters::raster) color: Coded<'source>,
    pub(in crate::adapters::raster) alpha: Option<Coded<'source>>,
    /// Colours are multiplied by alpha already.
    pub(in crate::adapters::raster) premultiplied: bool,
    /// What the container says of the colours; it overrules the AV1 stream.
    pub(in crate::adapters::raster) code_points: Option<CodePoints>,
    pub(in crate::adapters::raster) embedded: Embedded<'source>,
}

/// Colour by the code points of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::adapters::raster) struct CodePoints {
    pub(in crate::adapters::raster) primaries: u8,
    pub(in crate::adapters::raster) transfer: u8,
    pub(in crate::adapters::raster) matrix: u8,
    pub(in crate::adapters::raster) full_range: bool,
}

/// One picture: tiles from left to right and top to bottom, each one AV1 stream. Most pictures are one tile.
#[derive(Clone, Debug)]
pub(in crate::adapters::raster) struct Coded<'source> {
    pub(in crate::adapters::raster) columns: u32,
    pub(in crate::adapters::raster) rows: u32,
    pub(in crate::adapters::raster) tiles: Vec<Cow<'source, [u8]>>,
}

pub(super) fn probe(source: &[u8]) -> Result<Header, Fault> {
    let items = Items::read(source).ok_or_else(broken)?;
    let (width, height) = items.size(items.primary).ok_or_else(broken)?;
    Ok(Header {
        format: SourceFormat::Avif,
        width,
        height,
        orientation: orientation(&items),
        frames: 1,
        has_alpha: items.alpha_of(items.primary).is_some(),
        bit_depth: items.bit_depth(items.primary),
        progressive: false,
    })
}

/// Reads the whole container.
///
/// # Errors
/// `Unprocessable` when it is cut off, contradicts itself, or holds something else than AV1.
pub(in crate::adapters::raster) fn parse(source: &[u8]) -> Result<Avif<'_>, Fault> {
    let items = Items::read(source).ok_or_else(broken)?;
    let (width, height) = items.size(items.primary).ok_or_else(broken)?;
    let alpha_item = items.alpha_of(items.primary);
    let color = coded(&items, items.primary)?;
    let alpha = alpha_item.map(|alpha| coded(&items, alpha)).transpose()?;
    let mut embedded = Embedded { icc: None, exif: items.exif_of(items.primary) };
    let mut code_points = None;
    for property in items.properties(items.primary) {
        match property {
            Property::Icc(profile) => embedded.icc = Some(Cow::Borrowed(profile)),
            Property::CodePoints(points) => code_points = Some(points),
            _ => {}
        }
    }
    Ok(Avif {
        width,
        height,
        color,
        premultiplied: alpha_item.is_some_and(|alpha| items.is_premultiplied(items.primary, alpha)),
        alpha,
        code_points,
        embedded,
    })
}

/// Whether the file consists of whole boxes, and has the one with the picture.
pub(super) fn is_whole(file: &[u8]) -> bool {
    let mut boxes = Boxes(file);
    boxes.by_ref().for_each(drop);
    boxes.0.is_empty() && parse(file).is_ok()
}

fn coded<'source>(items: &Items<'source>, item: u32) -> Result<Coded<'source>, Fault> {
    let data = |item| items.data(item).ok_or_else(|| corrupt("the AVIF is cut off"));
    match items.kind(item).ok_or_else(broken)? {
        b"av01" => Ok(Coded { columns: 1, rows: 1, tiles: vec![data(item)?] }),
        b"grid" => {
            let grid = data(item)?;
            let &[_version, _flags, rows, columns, ..] = grid.as_ref() else { return Err(broken()) };
            let (rows, columns) = (u32::from(rows) + 1, u32::from(columns) + 1);
            let tiles = items.tiles_of(item);
            if tiles.len() > MAX_TILES || tiles.len() != (rows * columns) as usize {
                return Err(corrupt("the AVIF's grid does not fit its tiles"));
            }
            let tiles = tiles.into_iter().map(data).collect::<Result<_, _>>()?;
            Ok(Coded { columns, rows, tiles })
        }
        _ => Err(unsupported("the AVIF's picture is of a kind that is not supported")),
    }
}

/// The container's own turning and mirroring; an EXIF orientation means nothing in AVIF.
fn orientation(items: &Items<'_>) -> Orientation {
    let (mut clockwise, mut mirror) = (0, None);
    for property in items.properties(items.primary) {
        match property {
            Property::CounterClockwise(quarters) => clockwise = (4 - quarters % 4) % 4,
            Property::Mirror { left_right } => mirror = Some(left_right),
            _ => {}
        }
    }
    match (clockwise, mirror) {
        (0, None) => Orientation::Upright,
        (1, None) => Orientation::Quarter,
        (2, None) => Orientation::Half,
        (_, None) => Orientation::ThreeQuarters,
        (0, Some(true)) | (2, Some(false)) => Orientation::Mirrored,
        (0, Some(false)) | (2, Some(true)) => Orientation::Flipped,
        (1, Some(true)) | (3, Some(false)) => Orientation::Transposed,
        _ => Orientation::Transversed,
    }
}

fn broken() -> Fault {
    corrupt("the AVIF's header is cut off or contradicts itself")
}

#[cfg(test)]
mod tests;

//! The items of the `meta` box: what there is, where it lies, what belongs together.

use std::borrow::Cow;

use super::CodePoints;
use super::boxes::{Boxes, Reader};

/// More items than any real file has; tables beyond it are an attack.
const MAX_ITEMS: u32 = 4096;
const ALPHA_URNS: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0"];

/// The tables of the `meta` box.
#[derive(Debug)]
pub(super) struct Items<'source> {
    source: &'source [u8],
    idat: &'source [u8],
    pub(super) primary: u32,
    kinds: Vec<(u32, &'source [u8; 4])>,
    locations: Vec<Location>,
    references: Vec<Reference<'source>>,
    properties: Vec<Property<'source>>,
    /// Item and index of a property, in order.
    associations: Vec<(u32, usize)>,
}

/// What is said of an item.
#[derive(Clone, Copy, Debug)]
pub(super) enum Property<'source> {
    Size(u32, u32),
    BitDepth(u8),
    Icc(&'source [u8]),
    CodePoints(CodePoints),
    /// Quarter turns against the clock.
    CounterClockwise(u8),
    Mirror {
        left_right: bool,
    },
    IsAlpha,
    Other,
}

#[derive(Debug)]
struct Location {
    item: u32,
    in_idat: bool,
    extents: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct Reference<'source> {
    kind: &'source [u8; 4],
    from: u32,
    to: Vec<u32>,
}

impl<'source> Items<'source> {
    pub(super) fn read(source: &'source [u8]) -> Option<Self> {
        let meta = Boxes(source).find(b"meta")?.get(4..)?;
        let inside = |kind| Boxes(meta).find(kind);
        let iprp = inside(b"iprp")?;
        Some(Self {
            source,
            idat: inside(b"idat").unwrap_or_default(),
            primary: read_primary(inside(b"pitm")?)?,
            kinds: read_kinds(inside(b"iinf")?)?,
            locations: read_locations(inside(b"iloc")?)?,
            references: inside(b"iref").map_or(Some(Vec::new()), read_references)?,
            properties: Boxes(Boxes(iprp).find(b"ipco")?)
                .map(|(kind, content)| read_property(kind, content).unwrap_or(Property::Other))
                .collect(),
            associations: read_associations(Boxes(iprp).find(b"ipma")?)?,
        })
    }

    pub(super) fn kind(&self, item: u32) -> Option<&'source [u8; 4]> {
        self.kinds.iter().find(|(id, _)| *id == item).map(|(_, kind)| *kind)
    }

    pub(super) fn properties(&self, item: u32) -> impl Iterator<Item = Property<'source>> {
        self.associations
            .iter()
            .filter(move |(id, _)| *id == item)
            // Indexes count from one; zero says "none".
            .filter_map(|(_, index)| self.properties.get(index.checked_sub(1)?).copied())
    }

    pub(super) fn size(&self, item: u32) -> Option<(u32, u32)> {
        self.properties(item).find_map(|property| match property {
            Property::Size(width, height) => Some((width, height)),
            _ => None,
        })
    }

    /// Eight where nothing is said, which is so for grids without a `pixi`.
    pub(super) fn bit_depth(&self, item: u32) -> u8 {
        let depth = |property| match property {
            Property::BitDepth(bits) => Some(bits),
            _ => None,
        };
        self.properties(item).find_map(depth).unwrap_or(8)
    }

    /// The item whose luma is this one's alpha.
    pub(super) fn alpha_of(&self, item: u32) -> Option<u32> {
        self.references
            .iter()
            .filter(|reference| reference.kind == b"auxl" && reference.to.contains(&item))
            .map(|reference| reference.from)
            .find(|aux| self.properties(*aux).any(|property| matches!(property, Property::IsAlpha)))
    }

    pub(super) fn is_premultiplied(&self, item: u32, alpha: u32) -> bool {
        self.references
            .iter()
            .any(|reference| reference.kind == b"prem" && reference.from == item && reference.to.contains(&alpha))
    }

    pub(super) fn tiles_of(&self, grid: u32) -> Vec<u32> {
        let tiles = self.references.iter().find(|reference| reference.kind == b"dimg" && reference.from == grid);
        tiles.map_or_else(Vec::new, |reference| reference.to.clone())
    }

    /// The EXIF block, without the offset that HEIF puts before it.
    pub(super) fn exif_of(&self, item: u32) -> Option<Cow<'source, [u8]>> {
        let describes = |reference: &&Reference<'_>| {
            reference.kind == b"cdsc" && reference.to.contains(&item) && self.kind(reference.from) == Some(b"Exif")
        };
        let exif = self.references.iter().find(describes)?.from;
        let data = self.data(exif)?;
        let skip = u32::from_be_bytes(*data.first_chunk()?) as usize;
        let start = skip.checked_add(4).filter(|start| *start <= data.len())?;
        Some(match data {
            Cow::Borrowed(data) => Cow::Borrowed(&data[start..]),
            Cow::Owned(data) => Cow::Owned(data[start..].to_vec()),
        })
    }

    /// The bytes of an item; borrowed unless they lie scattered.
    pub(super) fn data(&self, item: u32) -> Option<Cow<'source, [u8]>> {
        let location = self.locations.iter().find(|location| location.item == item)?;
        let base = if location.in_idat { self.idat } else { self.source };
        let extent = |&(offset, length): &(u64, u64)| {
            let start = usize::try_from(offset).ok()?;
            // A length of zero means "to the end".
            let end = if length == 0 { base.len() } else { start.checked_add(usize::try_from(length).ok()?)? };
            base.get(start..end)
        };
        match location.extents.as_slice() {
            [only] => extent(only).map(Cow::Borrowed),
            many => {
                let mut joined = Vec::new();
                for part in many {
                    let part = extent(part)?;
                    // Overlapping extents could make a small file large.
                    if joined.len() + part.len() > self.source.len() {
                        return None;
                    }
                    joined.extend_from_slice(part);
                }
                Some(Cow::Owned(joined))
            }
        }
    }
}

fn read_primary(content: &[u8]) -> Option<u32> {
    let mut reader = Reader(content);
    let (version, _) = reader.version()?;
    reader.id(version > 0)
}

fn read_kinds(content: &[u8]) -> Option<Vec<(u32, &[u8; 4])>> {
    let mut reader = Reader(content);
    let (version, _) = reader.version()?;
    reader.id(version > 0).filter(|count| *count <= MAX_ITEMS)?;
    let read = |entry| {
        let mut reader = Reader(entry);
        let (version, _) = reader.version()?;
        let id = reader.id(version > 2)?;
        let _protection = reader.u16()?;
        Some((id, reader.take(4)?.first_chunk()?))
    };
    Boxes(reader.0).filter(|(kind, _)| *kind == b"infe").map(|(_, entry)| read(entry)).collect()
}

fn read_locations(content: &[u8]) -> Option<Vec<Location>> {
    let mut reader = Reader(content);
    let (version, _) = reader.version()?;
    let (first, second) = (reader.u8()?, reader.u8()?);
    let (offset_size, length_size, base_size) = (first >> 4, first & 15, second >> 4);
    let index_size = if version == 0 { 0 } else { second & 15 };
    let count = reader.id(version > 1).filter(|count| *count <= MAX_ITEMS)?;
    let mut locations = Vec::new();
    for _ in 0..count {
        let item = reader.id(version > 1)?;
        let method = if version == 0 { 0 } else { reader.u16()? & 15 };
        let _data_reference = reader.u16()?;
        let base = reader.sized(base_size)?;
        let extents = reader.u16()?;
        let mut read_extent = || {
            reader.sized(index_size)?;
            let offset = base.checked_add(reader.sized(offset_size)?)?;
            Some((offset, reader.sized(length_size)?))
        };
        let extents = (0..extents).map(|_| read_extent()).collect::<Option<_>>()?;
        if method <= 1 {
            locations.push(Location { item, in_idat: method == 1, extents });
        }
    }
    Some(locations)
}

fn read_references(content: &[u8]) -> Option<Vec<Reference<'_>>> {
    let mut reader = Reader(content);
    let (version, _) = reader.version()?;
    let read = |(kind, entry)| {
        let mut reader = Reader(entry);
        let from = reader.id(version > 0)?;
        let count = reader.u16()?;
        let to = (0..count).map(|_| reader.id(version > 0)).collect::<Option<_>>()?;
        Some(Reference { kind, from, to })
    };
    Boxes(reader.0).map(read).collect()
}

fn read_associations(content: &[u8]) -> Option<Vec<(u32, usize)>> {
    let mut reader = Reader(content);
    let (version, flags) = reader.version()?;
    let count = reader.u32().filter(|count| *count <= MAX_ITEMS)?;
    let mut associations = Vec::new();
    for _ in 0..count {
        let item = reader.id(version > 0)?;
        for _ in 0..reader.u8()? {
            // The top bit says "essential"; the rest is the index.
            let index = if flags & 1 == 1 { reader.u16()? & 0x7FFF } else { u16::from(reader.u8()? & 0x7F) };
            associations.push((item, usize::from(index)));
        }
    }
    Some(associations)
}

fn read_property<'source>(kind: &[u8; 4], content: &'source [u8]) -> Option<Property<'source>> {
    let mut reader = Reader(content);
    Some(match kind {
        b"ispe" => {
            reader.version()?;
            Property::Size(reader.u32()?, reader.u32()?)
        }
        b"av1C" => match reader.take(3)?[2] {
            flags if flags & 0x40 == 0 => Property::BitDepth(8),
            flags if flags & 0x20 == 0 => Property::BitDepth(10),
            _ => Property::BitDepth(12),
        },
        b"colr" => match reader.take(4)? {
            b"nclx" => {
                // Code points are 16 bits wide here but never larger than 255.
                let mut point = || reader.u16().and_then(|point| u8::try_from(point).ok());
                let (primaries, transfer, matrix) = (point()?, point()?, point()?);
                Property::CodePoints(CodePoints { primaries, transfer, matrix, full_range: reader.u8()? & 0x80 != 0 })
            }
            b"prof" | b"rICC" => Property::Icc(reader.0),
            _ => Property::Other,
        },
        b"irot" => Property::CounterClockwise(reader.u8()? & 3),
        b"imir" => Property::Mirror { left_right: reader.u8()? & 1 == 1 },
        b"auxC" => {
            reader.version()?;
            let is_alpha = ALPHA_URNS.iter().any(|urn| reader.0.starts_with(urn));
            if is_alpha { Property::IsAlpha } else { Property::Other }
        }
        _ => Property::Other,
    })
}

//! Just enough TIFF to find the orientation and the thumbnail of an EXIF block, and to change them in place.

const ORIENTATION: u16 = 0x0112;
const THUMBNAIL_OFFSET: u16 = 0x0201;
const THUMBNAIL_LENGTH: u16 = 0x0202;
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// An orientation tag and where its value stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrientationTag {
    pub(super) value: u16,
    offset: usize,
}

/// A directory of twelve-byte entries.
#[derive(Clone, Copy, Debug)]
struct Directory<'block> {
    block: Block<'block>,
    first_entry: usize,
    entries: usize,
}

#[derive(Clone, Copy, Debug)]
struct Block<'block> {
    bytes: &'block [u8],
    little_endian: bool,
}

/// Whether the block begins as a TIFF structure does.
pub(in crate::adapters::raster) fn is_tiff(block: &[u8]) -> bool {
    Block::new(block).is_some()
}

/// The orientation of the main picture.
pub(super) fn orientation(block: &[u8]) -> Option<OrientationTag> {
    let directory = Block::new(block)?.main_directory()?;
    let entry = directory.find(ORIENTATION)?;
    if directory.block.u16(entry + 2)? != SHORT {
        return None;
    }
    Some(OrientationTag { value: directory.block.u16(entry + 8)?, offset: entry + 8 })
}

/// A whole number of the main directory: the first one where the tag holds several.
pub(in crate::adapters::raster) fn number(block: &[u8], tag: u16) -> Option<u32> {
    let directory = Block::new(block)?.main_directory()?;
    let entry = directory.find(tag)?;
    let count = directory.block.u32(entry + 4)?;
    match directory.block.u16(entry + 2)? {
        SHORT if count <= 2 => directory.block.u16(entry + 8).map(u32::from),
        SHORT => directory.block.u16(directory.block.u32(entry + 8)? as usize).map(u32::from),
        LONG if count == 1 => directory.block.u32(entry + 8),
        _ => None,
    }
}

/// Writes "as stored" into the orientation tag, if there is one, and unlinks the thumbnail's directory.
pub(super) fn make_upright(block: &mut [u8]) {
    if let Some(tag) = orientation(block) {
        let upright = if block.starts_with(b"II") { 1_u16.to_le_bytes() } else { 1_u16.to_be_bytes() };
        block[tag.offset..tag.offset + 2].copy_from_slice(&upright);
    }
    let link = Block::new(block).and_then(Block::main_directory).map(Directory::link);
    if let Some(link) = link.and_then(|at| block.get_mut(at..at + 4)) {
        link.fill(0);
    }
}

/// The block without the thumbnail's bytes, where they stand at its end, which is where cameras put them.
pub(super) fn without_thumbnail(block: &[u8]) -> &[u8] {
    thumbnail_start(block).and_then(|start| block.get(..start)).unwrap_or(block)
}

fn thumbnail_start(bytes: &[u8]) -> Option<usize> {
    let block = Block::new(bytes)?;
    let main = block.main_directory()?;
    let second = block.directory(block.u32(main.link())? as usize)?;
    let start = block.u32(second.find(THUMBNAIL_OFFSET)? + 8)? as usize;
    let length = block.u32(second.find(THUMBNAIL_LENGTH)? + 8)? as usize;
    let is_last = start.checked_add(length)? >= bytes.len();
    (is_last && start >= second.link().max(main.link()) + 4).then_some(start)
}

impl<'block> Block<'block> {
    fn new(bytes: &'block [u8]) -> Option<Self> {
        let little_endian = match bytes.get(..4)? {
            b"II\x2a\0" => true,
            b"MM\0\x2a" => false,
            _ => return None,
        };
        Some(Self { bytes, little_endian })
    }

    fn u16(self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn main_directory(self) -> Option<Directory<'block>> {
        self.directory(self.u32(4)? as usize)
    }

    fn directory(self, at: usize) -> Option<Directory<'block>> {
        if at < 8 {
            return None;
        }
        Some(Directory { block: self, first_entry: at.checked_add(2)?, entries: usize::from(self.u16(at)?) })
    }
}

impl Directory<'_> {
    /// Where the entry of a tag begins.
    fn find(self, tag: u16) -> Option<usize> {
        (0..self.entries)
            .map(|index| self.first_entry + index * 12)
            .take_while(|entry| entry + 12 <= self.block.bytes.len())
            .find(|entry| self.block.u16(*entry) == Some(tag))
    }

    /// Where the offset of the next directory stands.
    fn link(self) -> usize {
        self.first_entry + self.entries * 12
    }
}

//! What travels beside the pixels: the EXIF block and the orientation in it.

pub(super) mod tiff_block;

use std::borrow::Cow;

use bytes::Bytes;

/// Largest EXIF block that is written again: what fits into one JPEG segment.
const MAX_EXIF_BYTES: usize = 65_533 - EXIF_PREFIX.len();

/// What JPEG, and some WebP and AVIF writers, put before the block.
pub(super) const EXIF_PREFIX: &[u8] = b"Exif\0\0";

/// How a stored picture has to be turned for display; the eight values of the EXIF tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// 1: as stored.
    #[default]
    Upright,
    /// 2: mirrored left to right.
    Mirrored,
    /// 3: turned by 180 degrees.
    Half,
    /// 4: mirrored top to bottom.
    Flipped,
    /// 5: mirrored along the diagonal from top left to bottom right.
    Transposed,
    /// 6: to be turned 90 degrees clockwise.
    Quarter,
    /// 7: mirrored along the diagonal from top right to bottom left.
    Transversed,
    /// 8: to be turned 270 degrees clockwise.
    ThreeQuarters,
}

/// An EXIF block (a TIFF structure, without any container's prefix) that is ready to be written: upright, bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exif(Bytes);

/// What a container carries beside the pixels, as found.
#[derive(Clone, Debug, Default)]
pub(super) struct Embedded<'source> {
    pub(super) icc: Option<Cow<'source, [u8]>>,
    pub(super) exif: Option<Cow<'source, [u8]>>,
}

impl Orientation {
    /// The value of the EXIF tag, 1 to 8. Anything else is taken for upright, as viewers do.
    pub fn from_exif(value: u32) -> Self {
        match value {
            2 => Self::Mirrored,
            3 => Self::Half,
            4 => Self::Flipped,
            5 => Self::Transposed,
            6 => Self::Quarter,
            7 => Self::Transversed,
            8 => Self::ThreeQuarters,
            _ => Self::Upright,
        }
    }

    /// What the EXIF block says; upright where it says nothing or cannot be read.
    pub(super) fn of_exif(block: &[u8]) -> Self {
        let block = without_prefix(block);
        tiff_block::orientation(block).map_or(Self::Upright, |found| Self::from_exif(u32::from(found.value)))
    }

    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Transposed | Self::Quarter | Self::Transversed | Self::ThreeQuarters)
    }
}

impl Exif {
    /// Takes a block as found in a source: marks it upright and leaves the thumbnail out. `None` for what is no EXIF
    /// block and for what is too large to be written.
    pub(super) fn upright(block: &[u8]) -> Option<Self> {
        let block = without_prefix(block);
        if !tiff_block::is_tiff(block) {
            return None;
        }
        let kept = tiff_block::without_thumbnail(block);
        if kept.len() > MAX_EXIF_BYTES {
            return None;
        }
        let mut kept = kept.to_vec();
        tiff_block::make_upright(&mut kept);
        Some(Self(kept.into()))
    }

    /// The block, beginning with its byte-order mark.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn without_prefix(block: &[u8]) -> &[u8] {
    block.strip_prefix(EXIF_PREFIX).unwrap_or(block)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A little-endian block with an orientation and a thumbnail at its end.
    pub(in crate::adapters::raster) fn exif_block(orientation: u16) -> Vec<u8> {
        let mut block = b"II\x2a\0\x08\0\0\0".to_vec();
        block.extend([1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0]);
        block.extend(orientation.to_le_bytes());
        block.extend([0, 0]);
        block.extend(26_u32.to_le_bytes());
        block.extend([2, 0]);
        block.extend([0x01, 0x02, 4, 0, 1, 0, 0, 0]);
        block.extend(56_u32.to_le_bytes());
        block.extend([0x02, 0x02, 4, 0, 1, 0, 0, 0]);
        block.extend(10_u32.to_le_bytes());
        block.extend(0_u32.to_le_bytes());
        assert_eq!(block.len(), 56);
        block.extend([0xAB; 10]);
        block
    }

    #[test]
    fn every_orientation_is_read() {
        for value in 1..=8 {
            let found = Orientation::of_exif(&exif_block(value));
            assert_eq!(found, Orientation::from_exif(u32::from(value)));
        }
        assert_eq!(Orientation::of_exif(&exif_block(9)), Orientation::Upright);
    }

    #[test]
    fn big_endian_blocks_are_read() {
        let block = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        assert_eq!(Orientation::of_exif(block), Orientation::Quarter);
    }

    #[test]
    fn a_written_block_is_upright_and_has_no_thumbnail() {
        let mut prefixed = EXIF_PREFIX.to_vec();
        prefixed.extend(exif_block(6));
        let exif = Exif::upright(&prefixed).unwrap();
        assert_eq!(Orientation::of_exif(exif.as_bytes()), Orientation::Upright);
        assert_eq!(exif.as_bytes().len(), 56, "the thumbnail's bytes are gone");
        assert_eq!(exif.as_bytes()[22..26], [0; 4], "nothing points to the second directory");
    }

    #[test]
    fn what_is_no_block_is_not_written() {
        assert!(Exif::upright(b"").is_none());
        assert!(Exif::upright(b"Exif\0\0garbage").is_none());
        assert!(Exif::upright(&[b"II\x2a\0\x08\0\0\0".as_slice(), &[0; 70_000]].concat()).is_none());
    }

    #[test]
    fn a_block_cut_anywhere_does_no_harm() {
        let block = exif_block(6);
        for length in 0..block.len() {
            let _ = Orientation::of_exif(&block[..length]);
            let _ = Exif::upright(&block[..length]);
        }
    }
}

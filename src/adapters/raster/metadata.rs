//! What travels beside the pixels: the EXIF block and the orientation in it.

use bytes::Bytes;

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

    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Transposed | Self::Quarter | Self::Transversed | Self::ThreeQuarters)
    }
}

impl Exif {
    /// The block, beginning with its byte-order mark.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

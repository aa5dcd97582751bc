//! Quarter turns and mirrors of whole pictures.

use super::geometry::Size;
use super::metadata::Orientation;
use super::pixels::{Picture, Pixels, Plane, Planes, Samples};
use crate::domain::plan::Rotation;

/// Side of the square tiles that a turn with swapped sides works in: a tile of source and target stay in the first
/// cache level together, where going row by row would touch a new line for every sample.
const TILE: usize = 32;

/// One of the eight ways to lay a rectangle back onto itself: mirrors along the stored axes, then a transposition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    transpose: bool,
    mirror_columns: bool,
    mirror_rows: bool,
}

impl Turn {
    /// The turn that brings a picture stored with this orientation upright.
    pub(super) fn from_orientation(orientation: Orientation) -> Self {
        let (transpose, mirror_columns, mirror_rows) = match orientation {
            Orientation::Upright => (false, false, false),
            Orientation::Mirrored => (false, true, false),
            Orientation::Half => (false, true, true),
            Orientation::Flipped => (false, false, true),
            Orientation::Transposed => (true, false, false),
            Orientation::Quarter => (true, false, true),
            Orientation::Transversed => (true, true, true),
            Orientation::ThreeQuarters => (true, true, false),
        };
        Self { transpose, mirror_columns, mirror_rows }
    }

    /// An explicit rotation replaces the stored orientation; an explicit "none" does not.
    pub(super) fn of(rotation: Option<Rotation>, stored: Orientation) -> Self {
        let orientation = match rotation {
            None | Some(Rotation::None) => stored,
            Some(Rotation::Quarter) => Orientation::Quarter,
            Some(Rotation::Half) => Orientation::Half,
            Some(Rotation::ThreeQuarters) => Orientation::ThreeQuarters,
        };
        Self::from_orientation(orientation)
    }

    /// Whether width and height change places.
    pub(super) fn swaps_sides(self) -> bool {
        self.transpose
    }

    /// Whether the left of the upright picture is on the far side of its stored axis.
    pub(super) fn mirrors_upright_horizontally(self) -> bool {
        if self.transpose { self.mirror_rows } else { self.mirror_columns }
    }

    /// Whether the top of the upright picture is on the far side of its stored axis.
    pub(super) fn mirrors_upright_vertically(self) -> bool {
        if self.transpose { self.mirror_columns } else { self.mirror_rows }
    }

    /// Whether everything stays where it is.
    pub(super) fn is_identity(self) -> bool {
        self == Self::default()
    }
}

/// Turns pixels in whatever form they are.
pub(super) fn turn(pixels: Pixels, turn: Turn) -> Pixels {
    match pixels {
        Pixels::Picture(picture) => Pixels::Picture(turn_picture(picture, turn)),
        Pixels::Planes(planes) => Pixels::Planes(turn_planes(planes, turn)),
    }
}

/// Turns a picture; without anything to do it is handed back untouched.
pub(super) fn turn_picture(picture: Picture, turn: Turn) -> Picture {
    if turn.is_identity() {
        return picture;
    }
    let Picture { width, height, layout, samples } = picture;
    let stored = Size::new(width, height);
    let samples = match (samples, layout.channels()) {
        (Samples::U8(samples), 1) => Samples::U8(turn_samples::<u8, 1>(&samples, stored, turn)),
        (Samples::U8(samples), 2) => Samples::U8(turn_samples::<u8, 2>(&samples, stored, turn)),
        (Samples::U8(samples), 3) => Samples::U8(turn_samples::<u8, 3>(&samples, stored, turn)),
        (Samples::U8(samples), _) => Samples::U8(turn_samples::<u8, 4>(&samples, stored, turn)),
        (Samples::U16(samples), 1) => Samples::U16(turn_samples::<u16, 1>(&samples, stored, turn)),
        (Samples::U16(samples), 2) => Samples::U16(turn_samples::<u16, 2>(&samples, stored, turn)),
        (Samples::U16(samples), 3) => Samples::U16(turn_samples::<u16, 3>(&samples, stored, turn)),
        (Samples::U16(samples), _) => Samples::U16(turn_samples::<u16, 4>(&samples, stored, turn)),
    };
    let Size { width, height } = stored.turned(turn);
    Picture { width, height, layout, samples }
}

/// Turns the planes one by one. Where a subsampled side is odd, its chroma moves by at most half a pixel.
fn turn_planes(planes: Planes, turn: Turn) -> Planes {
    if turn.is_identity() {
        return planes;
    }
    let Size { width, height } = Size::new(planes.width, planes.height).turned(turn);
    let chroma = planes.chroma.map(|planes| planes.map(|plane| turn_plane(&plane, turn)));
    Planes { width, height, luma: turn_plane(&planes.luma, turn), chroma }
}

fn turn_plane(plane: &Plane, turn: Turn) -> Plane {
    let stored = Size::new(plane.width, plane.height);
    let Size { width, height } = stored.turned(turn);
    Plane { width, height, samples: turn_samples::<u8, 1>(&plane.samples, stored, turn) }
}

fn turn_samples<T: Copy + Default, const CHANNELS: usize>(samples: &[T], stored: Size, turn: Turn) -> Vec<T> {
    let (source, _) = samples.as_chunks::<CHANNELS>();
    let mut turned = vec![T::default(); samples.len()];
    let (target, _) = turned.as_chunks_mut::<CHANNELS>();
    let (width, height) = (stored.width as usize, stored.height as usize);
    if turn.transpose {
        transpose(source, target, width, height, turn);
    } else {
        mirror(source, target, width, height, turn);
    }
    turned
}

fn mirror<P: Copy>(source: &[P], target: &mut [P], width: usize, height: usize, turn: Turn) {
    for (row, line) in target.chunks_exact_mut(width).enumerate() {
        let from = if turn.mirror_rows { height - 1 - row } else { row };
        line.copy_from_slice(&source[from * width..][..width]);
        if turn.mirror_columns {
            line.reverse();
        }
    }
}

fn transpose<P: Copy>(source: &[P], target: &mut [P], width: usize, height: usize, turn: Turn) {
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for row in top..height.min(top + TILE) {
                let column_of_target = if turn.mirror_rows { height - 1 - row } else { row };
                for column in left..width.min(left + TILE) {
                    let row_of_target = if turn.mirror_columns { width - 1 - column } else { column };
                    target[row_of_target * height + column_of_target] = source[row * width + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::raster::geometry::{Area, Framing};
    use crate::adapters::raster::pixels::Layout;

    const ALL: [Orientation; 8] = [
        Orientation::Upright,
        Orientation::Mirrored,
        Orientation::Half,
        Orientation::Flipped,
        Orientation::Transposed,
        Orientation::Quarter,
        Orientation::Transversed,
        Orientation::ThreeQuarters,
    ];

    /// Two rows of three: 1 2 3 / 4 5 6.
    fn numbered() -> Picture {
        Picture { width: 3, height: 2, layout: Layout::Gray, samples: Samples::U8(vec![1, 2, 3, 4, 5, 6]) }
    }

    fn samples(picture: Picture) -> Vec<u8> {
        match picture.samples {
            Samples::U8(samples) => samples,
            Samples::U16(_) => panic!("eight bits went in"),
        }
    }

    #[test]
    fn every_orientation_comes_out_upright() {
        let expected: [&[u8]; 8] = [
            &[1, 2, 3, 4, 5, 6],
            &[3, 2, 1, 6, 5, 4],
            &[6, 5, 4, 3, 2, 1],
            &[4, 5, 6, 1, 2, 3],
            &[1, 4, 2, 5, 3, 6],
            &[4, 1, 5, 2, 6, 3],
            &[6, 3, 5, 2, 4, 1],
            &[3, 6, 2, 5, 1, 4],
        ];
        for (orientation, expected) in ALL.into_iter().zip(expected) {
            let turned = turn_picture(numbered(), Turn::from_orientation(orientation));
            let swapped = orientation.swaps_sides();
            assert_eq!((turned.width, turned.height), if swapped { (2, 3) } else { (3, 2) }, "{orientation:?}");
            assert_eq!(samples(turned), expected, "{orientation:?}");
        }
    }

    #[test]
    fn a_pixel_of_an_upright_area_is_found_in_the_stored_picture() {
        for orientation in ALL {
            let turn = Turn::from_orientation(orientation);
            let upright = turn_picture(numbered(), turn);
            for top in 0..upright.height {
                for left in 0..upright.width {
                    let area = Area { left: f64::from(left), top: f64::from(top), width: 1.0, height: 1.0 };
                    let framing = Framing { area, size: Size::new(1, 1) }.as_stored(turn, Size::new(3, 2));
                    let found = framing.area.as_window().unwrap();
                    let stored = samples(numbered())[(found.top * 3 + found.left) as usize];
                    assert_eq!(stored, samples(upright.clone())[(top * upright.width + left) as usize]);
                }
            }
        }
    }

    #[test]
    fn tiles_meet_without_a_seam() {
        let (width, height) = (70_u32, 41_u32);
        let stored: Vec<u16> = (0..width * height * 3).map(|sample| sample as u16).collect();
        let picture = Picture { width, height, layout: Layout::Rgb, samples: Samples::U16(stored) };
        let quarter = Turn::from_orientation(Orientation::Quarter);
        let back = Turn::from_orientation(Orientation::ThreeQuarters);
        assert_eq!(turn_picture(turn_picture(picture.clone(), quarter), back), picture);
    }

    #[test]
    fn an_explicit_rotation_replaces_the_stored_orientation() {
        let stored = Orientation::Half;
        assert_eq!(Turn::of(None, stored), Turn::from_orientation(stored));
        assert_eq!(Turn::of(Some(Rotation::None), stored), Turn::from_orientation(stored));
        assert_eq!(Turn::of(Some(Rotation::Quarter), stored), Turn::from_orientation(Orientation::Quarter));
    }
}

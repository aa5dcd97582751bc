//! Rows into columns: what is stored beside each other comes to stand below each other.

use super::pixels::Plane;

/// Samples to each side of a tile: as many as fit into one SIMD register of every machine.
const TILE: usize = 16;

type Tile = [[u8; TILE]; TILE];

/// The plane mirrored along its diagonal.
pub(super) fn transpose(plane: &Plane) -> Plane {
    let (width, height) = (plane.width as usize, plane.height as usize);
    let mut samples = vec![0; plane.samples.len()];
    let (tiled_width, tiled_height) = (width - width % TILE, height - height % TILE);
    for top in (0..tiled_height).step_by(TILE) {
        for left in (0..tiled_width).step_by(TILE) {
            let tile = transposed(&tile_at(&plane.samples, width, left, top));
            for (column, line) in tile.iter().enumerate() {
                samples[(left + column) * height + top..][..TILE].copy_from_slice(line);
            }
        }
    }
    for row in 0..height {
        let untiled = if row < tiled_height { tiled_width } else { 0 };
        for column in untiled..width {
            samples[column * height + row] = plane.samples[row * width + column];
        }
    }
    Plane { width: plane.height, height: plane.width, samples }
}

fn tile_at(samples: &[u8], width: usize, left: usize, top: usize) -> Tile {
    let mut tile = [[0; TILE]; TILE];
    for (row, line) in tile.iter_mut().enumerate() {
        line.copy_from_slice(&samples[(top + row) * width + left..][..TILE]);
    }
    tile
}

/// Interleaves the upper half of the lines with the lower one, as often as there are bits in their number. The compiler
/// knows an instruction for this.
#[inline]
fn transposed(tile: &Tile) -> Tile {
    const HALF: usize = TILE / 2;
    let mut lines = *tile;
    for _ in 0..TILE.ilog2() {
        let mut mixed = [[0; TILE]; TILE];
        for (line, pair) in mixed.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let (upper, lower) = (&lines[line], &lines[line + HALF]);
            for sample in 0..HALF {
                (pair[0][2 * sample], pair[0][2 * sample + 1]) = (upper[sample], lower[sample]);
                (pair[1][2 * sample], pair[1][2 * sample + 1]) = (upper[sample + HALF], lower[sample + HALF]);
            }
        }
        lines = mixed;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_comes_to_its_place_whatever_the_size() {
        for (width, height) in [(1, 1), (3, 2), (15, 17), (16, 16), (17, 15), (32, 48), (70, 41), (1, 40), (40, 1)] {
            let samples = (0..width * height).map(|index: u32| (index * 7 + index / 251) as u8).collect();
            let plane = Plane { width, height, samples };
            let turned = transpose(&plane);
            assert_eq!((turned.width, turned.height), (height, width));
            for (index, sample) in plane.samples.iter().enumerate() {
                let (row, column) = (index / width as usize, index % width as usize);
                assert_eq!(turned.samples[column * height as usize + row], *sample, "{width} x {height}: {index}");
            }
        }
    }
}

//! How fine the chroma of a lossy picture is written.

use std::borrow::Cow;

use crate::adapters::raster::pixels::{Plane, Planes, Subsampling};

/// From this quality on, chroma is kept at full size: below it nobody sees the difference, above it edges of strong
/// colours show it. The same threshold as libvips.
pub(in crate::adapters::raster) const FULL_FROM_QUALITY: u8 = 90;

/// How RGB is subsampled at a quality.
pub(super) fn subsampling_for(quality: u8) -> Subsampling {
    if quality >= FULL_FROM_QUALITY { Subsampling::Full } else { Subsampling::Quarter }
}

/// Planes with chroma no finer than the quality is worth. Chroma that is coarse already stays as it is.
pub(super) fn reduced_for(planes: &Planes, quality: u8) -> Cow<'_, Planes> {
    if quality >= FULL_FROM_QUALITY { Cow::Borrowed(planes) } else { quartered(planes) }
}

/// Planes as 4:2:0 (or grey), averaging chroma where it is finer.
pub(super) fn quartered(planes: &Planes) -> Cow<'_, Planes> {
    let Some([cb, cr]) = &planes.chroma else { return Cow::Borrowed(planes) };
    let size = Subsampling::Quarter.chroma_size(planes.width, planes.height);
    if (cb.width, cb.height) == size {
        return Cow::Borrowed(planes);
    }
    Cow::Owned(Planes { chroma: Some([averaged(cb, size), averaged(cr, size)]), ..planes.clone() })
}

/// Averages of one or two samples each way; the last column and row of an odd side stand for themselves.
fn averaged(plane: &Plane, (width, height): (u32, u32)) -> Plane {
    let step = |fine: u32, coarse: u32| if fine == coarse { 1 } else { 2 };
    let (across, down) = (step(plane.width, width), step(plane.height, height));
    let sample = |x: u32, y: u32| {
        let (x, y) = (x.min(plane.width - 1), y.min(plane.height - 1));
        u32::from(plane.samples[y as usize * plane.width as usize + x as usize])
    };
    let mut samples = Vec::with_capacity(width as usize * height as usize);
    for y in (0..height).map(|y| y * down) {
        for x in (0..width).map(|x| x * across) {
            let (right, below) = (x + across - 1, y + down - 1);
            let sum = sample(x, y) + sample(right, y) + sample(x, below) + sample(right, below);
            // A mean of bytes, so the cast keeps everything.
            samples.push(((sum + 2) / 4) as u8);
        }
    }
    Plane { width, height, samples }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(width: u32, height: u32, chroma: (u32, u32), samples: &[u8]) -> Planes {
        let plane = |width, height, samples: &[u8]| Plane { width, height, samples: samples.to_vec() };
        Planes {
            width,
            height,
            luma: plane(width, height, &vec![0; (width * height) as usize]),
            chroma: Some([plane(chroma.0, chroma.1, samples), plane(chroma.0, chroma.1, samples)]),
        }
    }

    #[test]
    fn full_chroma_is_averaged_over_four_with_odd_edges_kept() {
        let fine = planes(3, 2, (3, 2), &[10, 20, 100, 30, 40, 200]);
        let chroma = quartered(&fine).into_owned().chroma.unwrap();
        assert_eq!((chroma[0].width, chroma[0].height), (2, 1));
        assert_eq!(chroma[0].samples, [25, 150]);
    }

    #[test]
    fn half_width_chroma_is_averaged_down_only() {
        let fine = planes(4, 2, (2, 2), &[10, 20, 30, 40]);
        assert_eq!(quartered(&fine).into_owned().chroma.unwrap()[1].samples, [20, 30]);
    }

    #[test]
    fn fine_chroma_stays_where_the_quality_is_worth_it() {
        let fine = planes(2, 2, (2, 2), &[1, 2, 3, 4]);
        assert_eq!(*reduced_for(&fine, 90), fine);
        assert_ne!(*reduced_for(&fine, 89), fine);
    }
}

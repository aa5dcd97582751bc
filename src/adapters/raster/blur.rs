//! Gaussian blur in time that does not depend on its width.
//!
//! Four box filters in a row come so close to a Gaussian that nobody sees the difference. A box with fractional edges
//! ("extended box", Gwosdek and others 2011) hits any standard deviation exactly, below one pixel too. Each direction
//! is filtered in a floating-point scratch line, so samples are rounded once a direction.

use mortar_actors::Fault;

use super::alpha::{premultiply, unpremultiply};
use super::pixels::{Picture, Samples};
use super::sample::Sample;

/// Boxes applied one after another.
const PASSES: u32 = 4;

/// Neighbouring columns filtered together: one cache line of sixteen-bit samples.
const COLUMNS: usize = 32;

/// A box filter with a fractional sample at either end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ExtendedBox {
    /// Whole samples to either side of the middle.
    radius: usize,
    /// Weight of a whole sample.
    weight: f32,
    /// Weight of the sample beyond the radius, at either end.
    edge: f32,
}

/// Blurs a picture with this standard deviation in pixels. Beyond its edges the picture is taken to go on as it ends.
///
/// # Errors
/// `Internal` for a picture whose samples do not fill it.
pub(super) fn blur(mut picture: Picture, sigma: f64) -> Result<Picture, Fault> {
    premultiply(&mut picture)?;
    let filter = ExtendedBox::with_deviation(sigma);
    let (width, channels) = (picture.width as usize, picture.layout.channels());
    match &mut picture.samples {
        Samples::U8(samples) => blur_samples(samples, width, channels, filter),
        Samples::U16(samples) => blur_samples(samples, width, channels, filter),
    }
    unpremultiply(&mut picture)?;
    Ok(picture)
}

impl ExtendedBox {
    /// The box that, applied [`PASSES`] times, has the standard deviation `sigma`.
    fn with_deviation(sigma: f64) -> Self {
        let variance = sigma * sigma / f64::from(PASSES);
        let radius = (((12.0 * variance + 1.0).sqrt() - 1.0) / 2.0).floor();
        let next = (radius + 1.0) * (radius + 1.0);
        let length = 2.0 * radius + 1.0;
        let edge = length * (radius * (radius + 1.0) - 3.0 * variance) / (6.0 * (variance - next));
        let total = length + 2.0 * edge;
        Self { radius: radius as usize, weight: (1.0 / total) as f32, edge: (edge / total) as f32 }
    }

    /// Filters `lines` of interleaved samples, `lanes` of them side by side.
    fn filter(self, source: &[f32], target: &mut [f32], lanes: usize) {
        let length = source.len() / lanes;
        let at = |index: isize| {
            let index = index.clamp(0, length as isize - 1) as usize;
            &source[index * lanes..][..lanes]
        };
        let radius = self.radius as isize;
        let mut sums = vec![0.0_f32; lanes];
        for index in -radius..=radius {
            for (sum, sample) in sums.iter_mut().zip(at(index)) {
                *sum += sample;
            }
        }
        for (index, out) in target.chunks_exact_mut(lanes).enumerate() {
            let index = index as isize;
            let (before, after) = (at(index - radius - 1), at(index + radius + 1));
            let leaving = at(index - radius);
            for lane in 0..lanes {
                out[lane] = sums[lane] * self.weight + (before[lane] + after[lane]) * self.edge;
                sums[lane] += after[lane] - leaving[lane];
            }
        }
    }
}

fn blur_samples<T: Sample>(samples: &mut [T], width: usize, channels: usize, filter: ExtendedBox) {
    let row = width * channels;
    let mut scratch = Scratch::default();
    for line in samples.chunks_exact_mut(row) {
        scratch.load(line.iter().copied());
        scratch.blur(filter, channels);
        for (sample, blurred) in line.iter_mut().zip(&scratch.front) {
            *sample = T::from_f32(*blurred);
        }
    }
    for left in (0..row).step_by(COLUMNS) {
        let lanes = COLUMNS.min(row - left);
        scratch.load(samples.chunks_exact(row).flat_map(|line| line[left..left + lanes].iter().copied()));
        scratch.blur(filter, lanes);
        for (line, blurred) in samples.chunks_exact_mut(row).zip(scratch.front.chunks_exact(lanes)) {
            for (sample, blurred) in line[left..left + lanes].iter_mut().zip(blurred) {
                *sample = T::from_f32(*blurred);
            }
        }
    }
}

/// Two lines between which the passes go back and forth.
#[derive(Default)]
struct Scratch {
    front: Vec<f32>,
    back: Vec<f32>,
}

impl Scratch {
    fn load<T: Sample>(&mut self, samples: impl Iterator<Item = T>) {
        self.front.clear();
        self.front.extend(samples.map(T::into_f32));
        self.back.resize(self.front.len(), 0.0);
    }

    fn blur(&mut self, filter: ExtendedBox, lanes: usize) {
        for _ in 0..PASSES {
            filter.filter(&self.front, &mut self.back, lanes);
            std::mem::swap(&mut self.front, &mut self.back);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::raster::pixels::Layout;

    /// A sixteen-bit picture that is black but for one bright dot in the middle.
    fn dot(side: u32) -> Picture {
        let mut samples = vec![0; (side * side) as usize];
        samples[(side / 2 * side + side / 2) as usize] = u16::MAX;
        Picture { width: side, height: side, layout: Layout::Gray, samples: Samples::U16(samples) }
    }

    fn deep(picture: Picture) -> Vec<u16> {
        match picture.samples {
            Samples::U16(samples) => samples,
            Samples::U8(_) => panic!("sixteen bits went in"),
        }
    }

    #[test]
    fn a_dot_becomes_a_gaussian() {
        for sigma in [0.4, 1.0, 2.5, 6.0] {
            let side = 81;
            let samples = deep(blur(dot(side), sigma).unwrap());
            let peak = f64::from(u16::MAX) / (2.0 * std::f64::consts::PI * sigma * sigma);
            if sigma >= 1.0 {
                for distance in 0..=(2.0 * sigma) as usize {
                    let expected = peak * (-((distance * distance) as f64) / (2.0 * sigma * sigma)).exp();
                    let got = f64::from(samples[40 * 81 + 40 + distance]);
                    assert!((got - expected).abs() <= peak * 0.13, "sigma {sigma}, {distance}: {got}, {expected}");
                }
            }
            let sum: u64 = samples.iter().map(|sample| u64::from(*sample)).sum();
            assert!(sum.abs_diff(u64::from(u16::MAX)) < 1_500, "sigma {sigma}: brightness {sum}");
        }
    }

    #[test]
    fn the_deviation_is_hit_exactly() {
        for sigma in [0.3, 0.9, 1.7, 12.3, 100.0] {
            let filter = ExtendedBox::with_deviation(sigma);
            let radius = filter.radius as f64;
            let squares: f64 = (1..=filter.radius).map(|index| (index * index) as f64).sum();
            let variance = 2.0 * (squares * f64::from(filter.weight) + (radius + 1.0).powi(2) * f64::from(filter.edge));
            assert!(
                (variance * f64::from(PASSES) - sigma * sigma).abs() < sigma * sigma * 1e-3,
                "sigma {sigma}: {variance}"
            );
            assert!(filter.edge >= 0.0 && filter.edge <= filter.weight);
        }
    }

    #[test]
    fn a_flat_picture_stays_flat_to_the_edge() {
        let picture =
            Picture { width: 40, height: 7, layout: Layout::Rgb, samples: Samples::U8(vec![200; 40 * 7 * 3]) };
        assert_eq!(blur(picture.clone(), 30.0).unwrap(), picture);
    }

    #[test]
    fn colours_of_transparent_pixels_do_not_bleed() {
        let pixels = (0..32 * 32).flat_map(|i| if i % 32 < 16 { [255, 0, 0, 255] } else { [0, 255, 0, 0] }).collect();
        let picture = Picture { width: 32, height: 32, layout: Layout::Rgba, samples: Samples::U8(pixels) };
        let Samples::U8(samples) = blur(picture, 3.0).unwrap().samples else { panic!("eight bits went in") };
        for pixel in samples.chunks_exact(4).filter(|pixel| pixel[3] > 16) {
            assert!(pixel[0] > 240 && pixel[1] < 8, "{pixel:?}");
        }
    }
}

//! Dropping the colours.

use super::pixels::{Layout, Picture, Pixels, Planes, Samples};

/// Weights of BT.601 in 65,536ths: the same lightness as the luma plane of a JPEG, so that both paths agree.
const WEIGHTS: [u32; 3] = [19_595, 38_470, 7_471];

/// Keeps the lightness, and the alpha where there is one.
pub(super) fn grayscale(pixels: Pixels) -> Pixels {
    match pixels {
        Pixels::Picture(picture) => Pixels::Picture(gray_picture(picture)),
        Pixels::Planes(planes) => Pixels::Planes(Planes { chroma: None, ..planes }),
    }
}

fn gray_picture(picture: Picture) -> Picture {
    let layout = match picture.layout {
        Layout::Rgb => Layout::Gray,
        Layout::Rgba => Layout::GrayAlpha,
        Layout::Gray | Layout::GrayAlpha => return picture,
    };
    let channels = picture.layout.channels();
    let samples = match &picture.samples {
        Samples::U8(samples) => Samples::U8(gray_samples(samples, channels)),
        Samples::U16(samples) => Samples::U16(gray_samples(samples, channels)),
    };
    Picture { layout, samples, ..picture }
}

fn gray_samples<T: Copy + Into<u32> + TryFrom<u32>>(samples: &[T], channels: usize) -> Vec<T> {
    let mut gray = Vec::with_capacity(samples.len() / channels * (channels - 2));
    for pixel in samples.chunks_exact(channels) {
        // 65,535 times the sum of the weights still fits, and the mean of samples fits where they came from.
        let sum: u32 = pixel.iter().zip(WEIGHTS).map(|(sample, weight)| (*sample).into() * weight).sum();
        let lightness = T::try_from((sum + 0x7fff) >> 16);
        gray.push(lightness.unwrap_or(pixel[0]));
        gray.extend_from_slice(&pixel[3..]);
    }
    gray
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(layout: Layout, samples: Samples) -> Picture {
        let count = match &samples {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => samples.len(),
        };
        let width = (count / layout.channels()) as u32;
        gray_picture(Picture { width, height: 1, layout, samples })
    }

    #[test]
    fn white_stays_white_and_green_is_lighter_than_blue() {
        let picture = gray(Layout::Rgb, Samples::U8(vec![255, 255, 255, 0, 255, 0, 0, 0, 255, 0, 0, 0]));
        assert_eq!(picture.layout, Layout::Gray);
        assert_eq!(picture.samples, Samples::U8(vec![255, 150, 29, 0]));
    }

    #[test]
    fn alpha_and_sixteen_bits_are_kept() {
        let picture = gray(Layout::Rgba, Samples::U16(vec![65_535, 65_535, 65_535, 300, 1_000, 1_000, 1_000, 65_535]));
        assert_eq!(picture.layout, Layout::GrayAlpha);
        assert_eq!(picture.samples, Samples::U16(vec![65_535, 300, 1_000, 65_535]));
    }
}

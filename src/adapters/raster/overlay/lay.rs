//! The composition itself.

use super::widen;
use crate::adapters::raster::pixels::{Layout, Picture, Samples};
use crate::adapters::raster::sample::Sample;
use crate::domain::plan::{Position, Third};

/// Lays `overlay` (RGBA, eight bits) over `base` at its position on the grid of thirds, as large as it is; what hangs
/// over is cut. The opacity, in hundredths, multiplies the overlay's alpha; at zero nothing changes.
///
/// A grey base becomes coloured. An opaque base stays opaque.
pub(in crate::adapters::raster) fn lay_over(
    base: Picture,
    overlay: &Picture,
    position: Position,
    opacity_hundredths: u32,
) -> Picture {
    let Samples::U8(pixels) = &overlay.samples else { return base };
    if opacity_hundredths == 0 || overlay.layout != Layout::Rgba {
        return base;
    }
    let mut base = with_colour(base);
    let placed = Placed {
        left: start(position.horizontal, base.width),
        top: start(position.vertical, base.height),
        row: overlay.width as usize,
        pixels: pixels.as_chunks().0,
        opacity: opacity_hundredths.min(100) as f32 / 100.0 / f32::from(u8::MAX),
    };
    let width = base.width as usize;
    match (&mut base.samples, base.layout) {
        (Samples::U8(samples), Layout::Rgba) => placed.over(samples.as_chunks_mut::<4>().0, width, over_rgba),
        (Samples::U8(samples), _) => placed.over(samples.as_chunks_mut::<3>().0, width, over_rgb),
        (Samples::U16(samples), Layout::Rgba) => placed.over(samples.as_chunks_mut::<4>().0, width, over_rgba),
        (Samples::U16(samples), _) => placed.over(samples.as_chunks_mut::<3>().0, width, over_rgb),
    }
    base
}

/// An overlay with its place and strength.
struct Placed<'pixels> {
    left: usize,
    top: usize,
    /// Pixels in a row of the overlay.
    row: usize,
    pixels: &'pixels [[u8; 4]],
    /// What an alpha of one 255th is worth, from 0 to 1.
    opacity: f32,
}

impl Placed<'_> {
    fn over<P>(&self, base: &mut [P], width: usize, blend: impl Fn(&mut P, [f32; 3], f32)) {
        for (line, overlay) in base.chunks_exact_mut(width).skip(self.top).zip(self.pixels.chunks_exact(self.row)) {
            for (pixel, [red, green, blue, alpha]) in line[self.left..].iter_mut().zip(overlay) {
                if *alpha > 0 {
                    let colour = [f32::from(*red), f32::from(*green), f32::from(*blue)];
                    blend(pixel, colour, f32::from(*alpha) * self.opacity);
                }
            }
        }
    }
}

/// Where a third of a side begins, cut off to whole pixels.
fn start(third: Third, side: u32) -> usize {
    let thirds = match third {
        Third::Start => 0,
        Third::Middle => 1,
        Third::End => 2,
    };
    (u64::from(side) * thirds / 3) as usize
}

fn over_rgb<T: Sample>(base: &mut [T; 3], colour: [f32; 3], alpha: f32) {
    for (sample, colour) in base.iter_mut().zip(colour) {
        let below = sample.into_f32();
        *sample = T::from_f32(below + (colour * T::PER_BYTE - below) * alpha);
    }
}

fn over_rgba<T: Sample>(base: &mut [T; 4], colour: [f32; 3], alpha: f32) {
    let [red, green, blue, base_alpha] = base;
    let largest = f32::from(u8::MAX) * T::PER_BYTE;
    let below_alpha = base_alpha.into_f32() / largest;
    let result_alpha = alpha + below_alpha * (1.0 - alpha);
    for (sample, colour) in [red, green, blue].into_iter().zip(colour) {
        let below = sample.into_f32() * below_alpha * (1.0 - alpha);
        *sample = T::from_f32((colour * T::PER_BYTE * alpha + below) / result_alpha);
    }
    *base_alpha = T::from_f32(result_alpha * largest);
}

fn with_colour(picture: Picture) -> Picture {
    let layout = match picture.layout {
        Layout::Gray => Layout::Rgb,
        Layout::GrayAlpha => Layout::Rgba,
        Layout::Rgb | Layout::Rgba => return picture,
    };
    let samples = match &picture.samples {
        Samples::U8(samples) => Samples::U8(coloured(samples, picture.layout)),
        Samples::U16(samples) => Samples::U16(coloured(samples, picture.layout)),
    };
    Picture { layout, samples, ..picture }
}

fn coloured<T: Copy>(samples: &[T], layout: Layout) -> Vec<T> {
    if layout == Layout::Gray {
        widen(samples, |[gray]| [gray, gray, gray])
    } else {
        widen(samples, |[gray, alpha]| [gray, gray, gray, alpha])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP_LEFT: Position = Position { vertical: Third::Start, horizontal: Third::Start };

    fn flat(width: u32, height: u32, layout: Layout, pixel: &[u8]) -> Picture {
        let samples = pixel.repeat((width * height) as usize);
        Picture { width, height, layout, samples: Samples::U8(samples) }
    }

    fn pixel(picture: &Picture, x: u32, y: u32) -> Vec<u8> {
        let Samples::U8(samples) = &picture.samples else { panic!("eight bits went in") };
        let channels = picture.layout.channels();
        samples[(y * picture.width + x) as usize * channels..][..channels].to_vec()
    }

    #[test]
    fn the_overlay_begins_at_its_third_and_is_cut_at_the_edge() {
        let base = flat(31, 20, Layout::Rgb, &[0; 3]);
        let overlay = flat(15, 15, Layout::Rgba, &[255; 4]);
        let position = Position { vertical: Third::Middle, horizontal: Third::End };
        let result = lay_over(base, &overlay, position, 100);
        assert_eq!((result.width, result.height, result.layout), (31, 20, Layout::Rgb));
        assert_eq!(pixel(&result, 20, 6), [255; 3]);
        assert_eq!(pixel(&result, 30, 19), [255; 3]);
        assert_eq!(pixel(&result, 19, 6), [0; 3]);
        assert_eq!(pixel(&result, 20, 5), [0; 3]);
    }

    #[test]
    fn opacity_multiplies_alpha_and_zero_is_invisible() {
        let base = flat(4, 4, Layout::Rgb, &[100; 3]);
        let overlay = flat(4, 4, Layout::Rgba, &[200, 200, 200, 128]);
        assert_eq!(lay_over(base.clone(), &overlay, TOP_LEFT, 0), base);
        assert_eq!(pixel(&lay_over(base.clone(), &overlay, TOP_LEFT, 50), 1, 1), [125; 3]);
        assert_eq!(pixel(&lay_over(base, &overlay, TOP_LEFT, 100), 1, 1), [150; 3]);
    }

    #[test]
    fn a_transparent_base_takes_the_overlay_with_its_own_alpha() {
        let base = flat(3, 3, Layout::Rgba, &[9, 9, 9, 0]);
        let overlay = flat(1, 1, Layout::Rgba, &[10, 20, 30, 128]);
        let result = lay_over(base, &overlay, TOP_LEFT, 100);
        assert_eq!(pixel(&result, 0, 0), [10, 20, 30, 128]);
        assert_eq!(pixel(&result, 2, 2), [9, 9, 9, 0]);
    }

    #[test]
    fn a_grey_base_shows_the_overlays_colours() {
        let overlay = flat(1, 1, Layout::Rgba, &[255, 0, 0, 255]);
        let result = lay_over(flat(3, 3, Layout::Gray, &[50]), &overlay, TOP_LEFT, 100);
        assert_eq!(pixel(&result, 0, 0), [255, 0, 0]);
        assert_eq!(pixel(&result, 2, 2), [50; 3]);
    }

    #[test]
    fn sixteen_bits_keep_their_depth() {
        let base = Picture { width: 1, height: 1, layout: Layout::Rgb, samples: Samples::U16(vec![1_001; 3]) };
        let overlay = flat(1, 1, Layout::Rgba, &[255, 255, 255, 51]);
        let expected = 1_001.0_f32 + (65_535.0 - 1_001.0) * 0.2;
        let Samples::U16(samples) = lay_over(base, &overlay, TOP_LEFT, 100).samples else { panic!("depth") };
        assert!((f32::from(samples[0]) - expected).abs() <= 1.0);
    }
}

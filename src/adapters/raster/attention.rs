//! Where a picture draws the eye: the place of a smart crop.
//!
//! The measure follows published ideas: detail and skin as in smartcrop.js (Jonas Wagner) and the attention strategy of
//! libvips, and colours that stand out from the picture's mean (Achanta and others, "Frequency-tuned Salient Region
//! Detection", 2009). Each of the three has the same worth over the whole picture, so what is rare counts for more: one
//! red bird outweighs a wood of twigs. The window of the highest score wins, its inner part counting twice, so that a
//! subject is not put at the rim.

use super::geometry::{Size, SmartCut, Window};
use super::pixels::{Layout, Picture, Samples};
use super::sample::Sample;

/// Longest side of the version that is looked at: detail smaller than that is texture, not a subject.
pub(super) const LOOK: u32 = 96;

/// What all of the picture's detail, skin and outstanding colour are worth beside each other.
const WORTHS: [f32; 3] = [1.0, 0.8, 1.0];

/// A measure that is found in less than this part of the picture is worth less in proportion: it may be noise.
const RARE: f32 = 0.01;

/// The direction of skin in RGB space; people of all complexions differ far more in brightness than in it.
const SKIN_DIRECTION: [f32; 3] = [0.78, 0.57, 0.44];

/// Sums over all rectangles that begin at the top-left corner, so that any rectangle's sum takes four look-ups.
struct SummedArea {
    size: Size,
    sums: Vec<f64>,
}

/// The size at which a picture of `size` is looked at: never larger than the picture.
pub(super) fn look_size(size: Size) -> Size {
    let longest = size.width.max(size.height);
    if longest <= LOOK {
        return size;
    }
    let scaled = |side: u32| (u64::from(side) * u64::from(LOOK)).div_ceil(u64::from(longest)).max(1) as u32;
    Size::new(scaled(size.width), scaled(size.height))
}

/// The top-left corner of the window to keep, in the pixels of `cut.framing`.
///
/// `look` is a small, upright version of the whole picture that the framing shows. Equal pictures give
/// equal answers, and a picture without any attraction is cut in the middle.
pub(super) fn place(cut: SmartCut, look: &Picture) -> (u32, u32) {
    let scores = SummedArea::of(look);
    let shown = cut.framing.size;
    let horizontal = f64::from(scores.size.width) / f64::from(shown.width);
    let vertical = f64::from(scores.size.height) / f64::from(shown.height);
    let shrunk = |side: u32, factor: f64, limit: u32| ((f64::from(side) * factor).round() as u32).clamp(1, limit);
    let window = Size::new(
        shrunk(cut.window.width, horizontal, scores.size.width),
        shrunk(cut.window.height, vertical, scores.size.height),
    );
    let Some((left, top)) = scores.best_window(window) else { return middle(cut) };
    // The far edge of the small version stands for the far edge of the picture, whatever the rounding made of it.
    let enlarged = |position: u32, spare_small: u32, spare: u32| {
        if spare_small == 0 {
            spare / 2
        } else {
            (u64::from(position) * u64::from(spare) / u64::from(spare_small)) as u32
        }
    };
    (
        enlarged(left, scores.size.width - window.width, shown.width - cut.window.width),
        enlarged(top, scores.size.height - window.height, shown.height - cut.window.height),
    )
}

fn middle(cut: SmartCut) -> (u32, u32) {
    ((cut.framing.size.width - cut.window.width) / 2, (cut.framing.size.height - cut.window.height) / 2)
}

impl SummedArea {
    /// The scores of a small picture.
    fn of(look: &Picture) -> Self {
        let pixels = match &look.samples {
            Samples::U8(samples) => fractions(samples, look.layout),
            Samples::U16(samples) => fractions(samples, look.layout),
        };
        let size = Size::new(look.width, look.height);
        let (width, height) = (size.width as usize, size.height as usize);
        let measures = measures(&pixels, width, height);
        let factors = factors(&measures);
        let mut sums = vec![0.0; (width + 1) * (height + 1)];
        for y in 0..height {
            let mut row = 0.0;
            for x in 0..width {
                let score: f32 =
                    measures[y * width + x].iter().zip(factors).map(|(found, factor)| found * factor).sum();
                row += f64::from(score);
                sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
            }
        }
        Self { size, sums }
    }

    fn sum(&self, window: Window) -> f64 {
        let at = |x: u32, y: u32| self.sums[y as usize * (self.size.width as usize + 1) + x as usize];
        let (right, bottom) = (window.left + window.size.width, window.top + window.size.height);
        at(right, bottom) + at(window.left, window.top) - at(right, window.top) - at(window.left, bottom)
    }

    /// The window's score, its inner half counted twice.
    fn worth(&self, window: Window) -> f64 {
        let Size { width, height } = window.size;
        let inner = Window {
            left: window.left + width / 4,
            top: window.top + height / 4,
            size: Size::new(width.div_ceil(2), height.div_ceil(2)),
        };
        self.sum(window) + self.sum(inner)
    }

    /// The corner of the window worth most; of equal ones the most central. `None` where nothing attracts.
    fn best_window(&self, size: Size) -> Option<(u32, u32)> {
        let (spare_width, spare_height) = (self.size.width - size.width, self.size.height - size.height);
        let mut best = None;
        let mut best_worth = 1e-3;
        let mut best_distance = u32::MAX;
        for top in 0..=spare_height {
            for left in 0..=spare_width {
                let worth = self.worth(Window { left, top, size });
                let distance = (2 * left).abs_diff(spare_width) + (2 * top).abs_diff(spare_height);
                let equal = (worth - best_worth).abs() <= best_worth * 1e-6;
                if (equal && distance < best_distance) || (!equal && worth > best_worth) {
                    (best, best_worth, best_distance) = (Some((left, top)), worth, distance);
                }
            }
        }
        best
    }
}

/// Red, green, blue and alpha of each pixel, from 0 to 1.
fn fractions<T: Sample>(samples: &[T], layout: Layout) -> Vec<[f32; 4]> {
    let fraction = |sample: T| sample.into_f32() / (f32::from(u8::MAX) * T::PER_BYTE);
    let pixel = |pixel: &[T]| match layout {
        Layout::Gray => [fraction(pixel[0]), fraction(pixel[0]), fraction(pixel[0]), 1.0],
        Layout::GrayAlpha => [fraction(pixel[0]), fraction(pixel[0]), fraction(pixel[0]), fraction(pixel[1])],
        Layout::Rgb => [fraction(pixel[0]), fraction(pixel[1]), fraction(pixel[2]), 1.0],
        Layout::Rgba => [fraction(pixel[0]), fraction(pixel[1]), fraction(pixel[2]), fraction(pixel[3])],
    };
    samples.chunks_exact(layout.channels()).map(pixel).collect()
}

/// Detail, skin and outstanding colour of each pixel.
fn measures(pixels: &[[f32; 4]], width: usize, height: usize) -> Vec<[f32; 3]> {
    let mean = mean_colour(pixels);
    let at = |x: usize, y: usize| pixels[y.min(height - 1) * width + x.min(width - 1)];
    let mut measures = Vec::with_capacity(pixels.len());
    for y in 0..height {
        for x in 0..width {
            let here = at(x, y);
            let around = [at(x.saturating_sub(1), y), at(x + 1, y), at(x, y.saturating_sub(1)), at(x, y + 1)];
            let around: f32 = around.into_iter().map(lightness).sum();
            let detail = (4.0 * lightness(here) - around).abs();
            measures.push([detail, skin(here), here[3] * colour_distance(opponents(here), mean)]);
        }
    }
    measures
}

/// What makes each measure's sum over the picture its worth.
fn factors(measures: &[[f32; 3]]) -> [f32; 3] {
    let mut totals = [RARE * measures.len() as f32; 3];
    for (index, total) in totals.iter_mut().enumerate() {
        *total = total.max(measures.iter().map(|found| found[index]).sum());
    }
    std::array::from_fn(|index| WORTHS[index] / totals[index])
}

fn mean_colour(pixels: &[[f32; 4]]) -> [f32; 2] {
    let mut sums = [0.0; 2];
    for pixel in pixels {
        let [red_green, yellow_blue] = opponents(*pixel);
        sums = [sums[0] + red_green, sums[1] + yellow_blue];
    }
    sums.map(|sum| sum / pixels.len() as f32)
}

/// Red against green and yellow against blue: colour without lightness.
fn opponents([red, green, blue, _]: [f32; 4]) -> [f32; 2] {
    [red - green, f32::midpoint(red, green) - blue]
}

/// How far a colour is from the mean; what is nearly the mean does not stand out at all.
fn colour_distance(colour: [f32; 2], mean: [f32; 2]) -> f32 {
    ((colour[0] - mean[0]).hypot(colour[1] - mean[1]) - 0.1).max(0.0)
}

/// Lightness as it shows, with transparent pixels as black.
fn lightness([red, green, blue, alpha]: [f32; 4]) -> f32 {
    (0.299 * red + 0.587 * green + 0.114 * blue) * alpha
}

/// 0 to 1: how close the hue is to skin, where it is neither too dark nor too bright to tell.
fn skin([red, green, blue, alpha]: [f32; 4]) -> f32 {
    let length = (red * red + green * green + blue * blue).sqrt();
    if length < 0.25 || lightness([red, green, blue, 1.0]) > 0.95 || alpha < 0.5 {
        return 0.0;
    }
    let difference: f32 = [red, green, blue]
        .into_iter()
        .zip(SKIN_DIRECTION)
        .map(|(value, skin)| (value / length - skin) * (value / length - skin))
        .sum();
    (1.0 - difference.sqrt() * 6.0).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::raster::geometry::Framing;

    /// A flat picture with a checkered square of 12 pixels at `left`, `top`.
    fn look(width: u32, height: u32, subject: Option<(u32, u32)>, colours: [[u8; 3]; 2]) -> Picture {
        let mut samples = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let inside =
                    subject.is_some_and(|(left, top)| (left..left + 12).contains(&x) && (top..top + 12).contains(&y));
                let colour = if inside { colours[((x / 2 + y / 2) % 2) as usize] } else { [128; 3] };
                samples.extend(colour);
            }
        }
        Picture { width, height, layout: Layout::Rgb, samples: Samples::U8(samples) }
    }

    fn cut(width: u32, height: u32, window: (u32, u32)) -> SmartCut {
        SmartCut { framing: Framing::whole(Size::new(width, height)), window: Size::new(window.0, window.1) }
    }

    const DETAILED: [[u8; 3]; 2] = [[30; 3], [220; 3]];
    const SKIN_TONES: [[u8; 3]; 2] = [[200, 146, 112], [190, 139, 107]];

    #[test]
    fn a_detailed_subject_off_centre_is_kept_whole() {
        for subject in [(2, 20), (40, 20), (80, 20)] {
            let (left, top) = place(cut(960, 480, (300, 480)), &look(96, 48, Some(subject), DETAILED));
            assert_eq!(top, 0);
            assert!(left <= subject.0 * 10, "{subject:?}: {left}");
            assert!(left + 300 >= (subject.0 + 12) * 10, "{subject:?}: {left}");
        }
    }

    #[test]
    fn skin_draws_attention_without_much_detail() {
        let (_, top) = place(cut(400, 960, (400, 300)), &look(40, 96, Some((14, 6)), SKIN_TONES));
        assert!(top <= 60, "{top}");
    }

    #[test]
    fn one_colour_outweighs_detail_that_is_everywhere() {
        let mut picture = look(96, 48, None, DETAILED);
        let Samples::U8(samples) = &mut picture.samples else { panic!("eight bits were drawn") };
        for (index, pixel) in samples.chunks_exact_mut(3).enumerate() {
            let (x, y) = (index % 96, index / 96);
            let twigs = if (x / 2 + y / 2) % 2 == 0 { 90 } else { 190 };
            pixel.fill(twigs);
            if (70..82).contains(&x) && (10..30).contains(&y) {
                pixel.copy_from_slice(&[200, 20, 20]);
            }
        }
        let (left, _) = place(cut(960, 480, (300, 480)), &picture);
        assert!((520..=700).contains(&left), "{left}");
    }

    #[test]
    fn a_flat_picture_is_cut_in_the_middle() {
        assert_eq!(place(cut(960, 480, (480, 480)), &look(96, 48, None, DETAILED)), (240, 0));
    }

    #[test]
    fn the_corner_never_leaves_the_picture() {
        let (left, top) = place(cut(961, 479, (960, 100)), &look(96, 48, Some((84, 36)), DETAILED));
        assert!(left <= 1 && top <= 379);
    }

    #[test]
    fn the_look_keeps_the_ratio_and_is_never_larger_than_the_picture() {
        assert_eq!(look_size(Size::new(4_000, 3_000)), Size::new(96, 72));
        assert_eq!(look_size(Size::new(50, 20)), Size::new(50, 20));
        assert_eq!(look_size(Size::new(50_000, 1)), Size::new(96, 1));
    }
}

//! Planes of any depth, range, matrix and subsampling to pixels.

use mortar_actors::{Fault, FaultKind};

use super::canvas::{Canvas, Frame, Signal};
use crate::adapters::raster::color::upsampled;
use crate::adapters::raster::pixels::{Layout, Picture, Samples};

/// How stored Y, Cb and Cr make red, green and blue (0 to 1): for each a weight per plane and a constant.
#[derive(Clone, Copy, Debug)]
struct Matrix([[f32; 4]; 3]);

/// Turns stored numbers into shares of the whole.
#[derive(Clone, Copy, Debug)]
struct Scale {
    black: f32,
    luma: f32,
    neutral: f32,
    chroma: f32,
}

/// A picture of the frame's own depth, eight bits or sixteen.
///
/// # Errors
/// `Unprocessable` for a matrix that is not known.
pub(super) fn to_picture(frame: &Frame, signal: Signal) -> Result<Picture, Fault> {
    let (size, is_grey) = match frame {
        Frame::Eight(canvas) => ((canvas.width, canvas.height), canvas.chroma.is_none()),
        Frame::Deep(canvas) => ((canvas.width, canvas.height), canvas.chroma.is_none()),
    };
    if is_grey {
        return Ok(Picture { width: size.0, height: size.1, layout: Layout::Gray, samples: luma(frame, signal) });
    }
    let samples = match frame {
        Frame::Eight(canvas) => Samples::U8(colors(canvas, Matrix::of(signal, canvas.shape.bits)?, to_u8)),
        Frame::Deep(canvas) => Samples::U16(colors(canvas, Matrix::of(signal, canvas.shape.bits)?, to_u16)),
    };
    Ok(Picture { width: size.0, height: size.1, layout: Layout::Rgb, samples })
}

/// The luma plane alone, stretched to the full range.
pub(super) fn luma(frame: &Frame, signal: Signal) -> Samples {
    match frame {
        Frame::Eight(canvas) => {
            let scale = Scale::of(signal, canvas.shape.bits);
            Samples::U8(canvas.luma.samples.iter().map(|sample| to_u8(scale.luma(f32::from(*sample)))).collect())
        }
        Frame::Deep(canvas) => {
            let scale = Scale::of(signal, canvas.shape.bits);
            Samples::U16(canvas.luma.samples.iter().map(|sample| to_u16(scale.luma(f32::from(*sample)))).collect())
        }
    }
}

/// Puts alpha beside the colours, dividing them by it where they are premultiplied.
///
/// # Errors
/// `Unprocessable` when the two are of different depths.
pub(super) fn with_alpha(opaque: &Picture, alpha: &Samples, premultiplied: bool) -> Result<Picture, Fault> {
    let channels = opaque.layout.channels();
    let samples = match (&opaque.samples, alpha) {
        (Samples::U8(colors), Samples::U8(alpha)) => Samples::U8(joined(colors, alpha, channels, premultiplied)),
        (Samples::U16(colors), Samples::U16(alpha)) => Samples::U16(joined(colors, alpha, channels, premultiplied)),
        _ => {
            return Err(Fault::new(FaultKind::Unprocessable, "the AVIF's alpha is of another depth than its colours"));
        }
    };
    let layout = if channels == 1 { Layout::GrayAlpha } else { Layout::Rgba };
    Ok(Picture { width: opaque.width, height: opaque.height, layout, samples })
}

fn joined<T: Copy + Into<u64> + TryFrom<u64>>(colors: &[T], alpha: &[T], channels: usize, divide: bool) -> Vec<T> {
    let white = (1_u64 << (8 * size_of::<T>())) - 1;
    let straight = |color: T, alpha: T| {
        let (level, share): (u64, u64) = (color.into(), alpha.into());
        if !divide || share == 0 {
            return color;
        }
        T::try_from((level * white / share).min(white)).unwrap_or(color)
    };
    let mut samples = Vec::with_capacity(alpha.len() * (channels + 1));
    for (pixel, &alpha) in colors.chunks_exact(channels).zip(alpha) {
        samples.extend(pixel.iter().map(|color| straight(*color, alpha)));
        samples.push(alpha);
    }
    samples
}

fn colors<T, O>(canvas: &Canvas<T>, matrix: Matrix, store: impl Fn(f32) -> O) -> Vec<O>
where
    T: Copy + Default + Into<f32> + Into<u32> + TryFrom<u32>,
    O: Copy + Default,
{
    let Some([cb, cr]) = &canvas.chroma else { return Vec::new() };
    let size = (canvas.width, canvas.height);
    let (cb, cr) = (upsampled(&cb.samples, cb.width, size), upsampled(&cr.samples, cr.width, size));
    let mut samples = vec![O::default(); canvas.luma.samples.len() * 3];
    let planes = canvas.luma.samples.iter().zip(cb).zip(cr);
    for (rgb, ((luma, cb), cr)) in samples.as_chunks_mut::<3>().0.iter_mut().zip(planes) {
        *rgb = matrix.apply((*luma).into(), cb.into(), cr.into()).map(&store);
    }
    samples
}

impl Matrix {
    fn of(signal: Signal, bits: u8) -> Result<Self, Fault> {
        let scale = Scale::of(signal, bits);
        let weights = match signal.matrix {
            // The planes are green, blue and red.
            0 => [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            1 => by_shares(0.2126, 0.0722),
            4 => by_shares(0.30, 0.11),
            2 | 5 | 6 => by_shares(0.299, 0.114),
            7 => by_shares(0.212, 0.087),
            // YCgCo: the planes are luma, green and orange.
            8 => [[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, -1.0]],
            9 | 10 => by_shares(0.2627, 0.0593),
            _ => return Err(Fault::new(FaultKind::Unprocessable, "the AVIF's colour matrix is not supported")),
        };
        let luma = (scale.luma.recip(), scale.luma(0.0));
        let chroma = if signal.matrix == 0 { luma } else { (scale.chroma.recip(), scale.chroma(0.0)) };
        Ok(Self(
            weights.map(|[y, cb, cr]| [y * luma.0, cb * chroma.0, cr * chroma.0, y * luma.1 + (cb + cr) * chroma.1]),
        ))
    }

    fn apply(self, luma: f32, cb: f32, cr: f32) -> [f32; 3] {
        self.0.map(|[y, b, r, constant]| y * luma + b * cb + r * cr + constant)
    }
}

/// Weights for planes where luma has known shares of red and blue, and chroma is the distance from it.
fn by_shares(red: f32, blue: f32) -> [[f32; 3]; 3] {
    let (of_red, of_blue, green) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue), 1.0 - red - blue);
    [[1.0, 0.0, of_red], [1.0, -blue * of_blue / green, -red * of_red / green], [1.0, of_blue, 0.0]]
}

impl Scale {
    fn of(signal: Signal, bits: u8) -> Self {
        // One step of the eight-bit scale, in which the limits of the narrow range are given.
        let step = f32::from(1_u16 << (bits.clamp(8, 16) - 8));
        let highest = 256.0 * step - 1.0;
        let neutral = 128.0 * step;
        if signal.full_range {
            Self { black: 0.0, luma: highest, neutral, chroma: highest }
        } else {
            Self { black: 16.0 * step, luma: 219.0 * step, neutral, chroma: 224.0 * step }
        }
    }

    fn luma(self, sample: f32) -> f32 {
        (sample - self.black) / self.luma
    }

    fn chroma(self, sample: f32) -> f32 {
        (sample - self.neutral) / self.chroma
    }
}

/// Float casts saturate, so what lies outside is cut.
fn to_u8(share: f32) -> u8 {
    (share * 255.0 + 0.5) as u8
}

/// Float casts saturate, so what lies outside is cut.
fn to_u16(share: f32) -> u16 {
    (share * 65_535.0 + 0.5) as u16
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Shape;
    use super::*;

    const FULL_709: Signal = Signal { primaries: 1, transfer: 13, matrix: 1, full_range: true };

    fn flat(bits: u8, yuv: [u16; 3]) -> Frame {
        let mut canvas = Canvas::new((3, 3), Shape { bits, chroma: Some((2, 2)) });
        canvas.luma.samples.fill(yuv[0]);
        for (channel, value) in canvas.chroma.iter_mut().flatten().zip(&yuv[1..]) {
            channel.samples.fill(*value);
        }
        Frame::Deep(canvas)
    }

    fn first_pixel(frame: &Frame, signal: Signal) -> [u16; 3] {
        let Samples::U16(samples) = to_picture(frame, signal).unwrap().samples else { panic!("the depth changed") };
        [samples[0], samples[1], samples[2]]
    }

    #[test]
    fn ten_bits_reach_white_and_black_in_both_ranges() {
        assert_eq!(first_pixel(&flat(10, [1023, 512, 512]), FULL_709), [65_535; 3]);
        let narrow = Signal { full_range: false, ..FULL_709 };
        assert_eq!(first_pixel(&flat(10, [940, 512, 512]), narrow), [65_535; 3]);
        assert_eq!(first_pixel(&flat(10, [64, 512, 512]), narrow), [0; 3]);
    }

    #[test]
    fn the_matrix_decides_what_red_is() {
        // Pure red by BT.709: Y = 0.2126, Cb = -0.1146, Cr = 0.5.
        let red = flat(12, [871, 1579, 4095]);
        let [r, g, b] = first_pixel(&red, FULL_709);
        assert!(r > 65_000 && g < 300 && b < 300, "{r} {g} {b}");
        let [_, g, _] = first_pixel(&red, Signal { matrix: 6, ..FULL_709 });
        assert!(g == 0 || g > 300, "read by BT.601 it is another colour");
    }

    #[test]
    fn identity_planes_are_green_blue_red() {
        let [r, g, b] = first_pixel(&flat(10, [1023, 0, 511]), Signal { matrix: 0, ..FULL_709 });
        assert!(g == 65_535 && b == 0 && r.abs_diff(32_735) < 100);
    }

    #[test]
    fn an_unknown_matrix_is_refused() {
        assert!(to_picture(&flat(10, [0; 3]), Signal { matrix: 200, ..FULL_709 }).is_err());
    }

    #[test]
    fn premultiplied_colours_are_divided() {
        let opaque = Picture { width: 2, height: 1, layout: Layout::Gray, samples: Samples::U8(vec![50, 0]) };
        let picture = with_alpha(&opaque, &Samples::U8(vec![100, 0]), true).unwrap();
        assert_eq!(picture.samples, Samples::U8(vec![127, 100, 0, 0]));
        assert_eq!(picture.layout, Layout::GrayAlpha);
    }
}

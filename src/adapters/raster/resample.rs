//! Scaling: Lanczos3 with SIMD, straight from an area of the source to the size of the result.

mod plane;

use fast_image_resize::images::ImageRef;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use mortar_actors::Fault;

use super::alpha::{broken, image_mut, pixel_type, premultiply, unpremultiply};
use super::color::planes_to_picture;
use super::geometry::{Area, Framing, Size, Window};
use super::lanczos::lanczos3;
use super::pixels::{Picture, Pixels, Plane, Planes, Samples};
use plane::resample_plane;

/// How much larger than the result a decoder that shrinks while loading must leave the picture.
///
/// The DCT-scaled decode is a poor filter; it may take the bulk, and the rest is Lanczos'. Measured with SSIMULACRA2 on
/// photographs at 120 to 640 pixels: from 2 on the score is that of libvips, give or take half a point; 1.5 costs up to
/// six points where the shrink comes close to it; 2.5 wins one point at most in all cells but one, where it wins three,
/// and decodes four times the pixels for it.
pub(super) const SHRINK_ON_LOAD_MARGIN: f64 = 2.0;

/// How fine the colours of a result made of planes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chroma {
    /// One chroma sample for two by two pixels.
    Halved,
    /// As fine as the source can give: one for each pixel where it is shrunk enough.
    Full,
}

/// Shows the area of `framing` at its size, whatever form the pixels have.
///
/// # Errors
/// `Internal` for pixels that do not fit their size.
pub(super) fn resample(pixels: Pixels, framing: &Framing, chroma: Chroma) -> Result<Pixels, Fault> {
    Ok(match pixels {
        Pixels::Picture(picture) => Pixels::Picture(resample_picture(picture, framing)?),
        Pixels::Planes(planes) => Pixels::Planes(resample_planes(&planes, framing, chroma)?),
    })
}

/// A small version of the whole picture to measure, not to show: transparent colours are not weighted.
///
/// # Errors
/// `Internal` for pixels that do not fit their size.
pub(super) fn small_picture(pixels: &Pixels, size: Size) -> Result<Picture, Fault> {
    match pixels {
        Pixels::Picture(picture) => {
            let mut small = empty_like(picture, size);
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box)).use_alpha(false);
            Resizer::new().resize(&image_ref(picture)?, &mut image_mut(&mut small)?, &options).map_err(broken)?;
            Ok(small)
        }
        Pixels::Planes(planes) => {
            let whole = Framing { area: Area::whole(Size::new(planes.width, planes.height)), size };
            planes_to_picture(&resample_planes(planes, &whole, Chroma::Full)?)
        }
    }
}

/// Scales interleaved samples. Colours are weighted by their alpha; whole-pixel cuts copy and lose nothing.
///
/// # Errors
/// `Internal` for samples that do not fit the size.
pub(super) fn resample_picture(mut picture: Picture, framing: &Framing) -> Result<Picture, Fault> {
    let source = Size::new(picture.width, picture.height);
    if framing.changes_nothing(source) {
        return Ok(picture);
    }
    if let Some(window) = framing.area.as_window().filter(|window| window.size == framing.size) {
        return Ok(cut_picture(&picture, window));
    }
    premultiply(&mut picture)?;
    let mut scaled = empty_like(&picture, framing.size);
    let options = options(framing.area.within(source));
    Resizer::new().resize(&image_ref(&picture)?, &mut image_mut(&mut scaled)?, &options).map_err(broken)?;
    drop(picture);
    unpremultiply(&mut scaled)?;
    Ok(scaled)
}

/// Scales the planes one by one. The chroma samples stay in the middle of the pixels that they belong to.
///
/// # Errors
/// `Internal` for planes that do not fit each other.
fn resample_planes(planes: &Planes, framing: &Framing, chroma: Chroma) -> Result<Planes, Fault> {
    let Size { width, height } = framing.size;
    let mut resizer = Resizer::new();
    let luma = resample_plane(&mut resizer, &planes.luma, framing.area, framing.size)?;
    let chroma = match &planes.chroma {
        Some([blue, red]) => {
            let (area, size) = chroma_framing(&planes.luma, blue, framing, chroma);
            let blue = resample_plane(&mut resizer, blue, area, size)?;
            Some([blue, resample_plane(&mut resizer, red, area, size)?])
        }
        None => None,
    };
    Ok(Planes { width, height, luma, chroma })
}

/// Where the chroma of a framing lies in its plane, and the size it comes to.
///
/// An odd side leaves the last chroma sample half outside the picture; the area reaches as far beyond as that sample
/// does, so the colours do not creep.
fn chroma_framing(luma: &Plane, source: &Plane, framing: &Framing, chroma: Chroma) -> (Area, Size) {
    let pixels_per_sample = |luma: u32, chroma: u32| luma.div_ceil(chroma.max(1)).max(1).next_power_of_two();
    let horizontal = pixels_per_sample(luma.width, source.width);
    let vertical = pixels_per_sample(luma.height, source.height);
    let shown = framing.area.scaled(1.0 / f64::from(horizontal), 1.0 / f64::from(vertical));
    let is_fine = shown.width >= f64::from(framing.size.width) && shown.height >= f64::from(framing.size.height);
    let (wide, high) = match chroma {
        Chroma::Halved => (2, 2),
        Chroma::Full if is_fine => (1, 1),
        Chroma::Full => (horizontal.min(2), vertical.min(2)),
    };
    let size = Size::new(framing.size.width.div_ceil(wide), framing.size.height.div_ceil(high));
    let reach = |samples: u32, pixels: u32, side: u32| f64::from(samples * pixels) / f64::from(side);
    let area = Area {
        width: shown.width * reach(size.width, wide, framing.size.width),
        height: shown.height * reach(size.height, high, framing.size.height),
        ..shown
    };
    (area, size)
}

fn options(area: Area) -> ResizeOptions {
    // Premultiplication happens in place, before; the resizer would make a copy of the whole source for it.
    ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(lanczos3()))
        .crop(area.left, area.top, area.width, area.height)
        .use_alpha(false)
}

fn image_ref(picture: &Picture) -> Result<ImageRef<'_>, Fault> {
    let bytes = match &picture.samples {
        Samples::U8(samples) => samples.as_slice(),
        Samples::U16(samples) => bytemuck::cast_slice(samples),
    };
    ImageRef::new(picture.width, picture.height, bytes, pixel_type(picture)).map_err(broken)
}

fn empty_like(picture: &Picture, size: Size) -> Picture {
    let length = size.width as usize * size.height as usize * picture.layout.channels();
    let samples = match picture.samples {
        Samples::U8(_) => Samples::U8(vec![0; length]),
        Samples::U16(_) => Samples::U16(vec![0; length]),
    };
    Picture { width: size.width, height: size.height, layout: picture.layout, samples }
}

fn cut_picture(picture: &Picture, window: Window) -> Picture {
    let channels = picture.layout.channels();
    let samples = match &picture.samples {
        Samples::U8(samples) => Samples::U8(cut_samples(samples, picture.width, channels, window)),
        Samples::U16(samples) => Samples::U16(cut_samples(samples, picture.width, channels, window)),
    };
    Picture { width: window.size.width, height: window.size.height, layout: picture.layout, samples }
}

fn cut_samples<T: Copy>(samples: &[T], width: u32, channels: usize, window: Window) -> Vec<T> {
    let row = width as usize * channels;
    let (left, length) = (window.left as usize * channels, window.size.width as usize * channels);
    let mut cut = Vec::with_capacity(length * window.size.height as usize);
    for line in samples.chunks_exact(row).skip(window.top as usize).take(window.size.height as usize) {
        cut.extend_from_slice(&line[left..left + length]);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::raster::pixels::Layout;

    fn picture(width: u32, height: u32, layout: Layout, sample: impl Fn(u32, u32, usize) -> u8) -> Picture {
        let mut samples = Vec::new();
        for y in 0..height {
            for x in 0..width {
                samples.extend((0..layout.channels()).map(|channel| sample(x, y, channel)));
            }
        }
        Picture { width, height, layout, samples: Samples::U8(samples) }
    }

    fn bytes(picture: &Picture) -> &[u8] {
        match &picture.samples {
            Samples::U8(samples) => samples,
            Samples::U16(_) => panic!("eight bits went in"),
        }
    }

    fn framing(left: f64, top: f64, width: f64, height: f64, size: (u32, u32)) -> Framing {
        Framing { area: Area { left, top, width, height }, size: Size::new(size.0, size.1) }
    }

    #[test]
    fn a_gradient_stays_a_gradient() {
        let source = picture(256, 64, Layout::Rgb, |x, _, _| x as u8);
        let scaled = resample_picture(source, &framing(0.0, 0.0, 256.0, 64.0, (64, 16))).unwrap();
        assert_eq!((scaled.width, scaled.height), (64, 16));
        for x in 2..62 {
            let expected = x as f64 * 4.0 + 1.5;
            let got = f64::from(bytes(&scaled)[(8 * 64 + x) * 3]);
            assert!((got - expected).abs() <= 1.0, "{x}: {got} instead of {expected}");
        }
    }

    #[test]
    fn colours_of_transparent_pixels_do_not_bleed() {
        // Opaque red on the left; on the right fully transparent green that must never show.
        let source = picture(64, 64, Layout::Rgba, |x, _, channel| match (x < 32, channel) {
            (true, 0 | 3) | (false, 1) => 255,
            _ => 0,
        });
        let scaled = resample_picture(source, &framing(0.0, 0.0, 64.0, 64.0, (21, 21))).unwrap();
        for pixel in bytes(&scaled).chunks_exact(4).filter(|pixel| pixel[3] > 8) {
            assert!(pixel[0] > 250 && pixel[1] < 5, "{pixel:?}");
        }
    }

    #[test]
    fn sixteen_bits_are_not_rounded_to_eight() {
        let samples = (0..64 * 64).map(|index| 30_000 + (index % 64) as u16).collect();
        let source = Picture { width: 64, height: 64, layout: Layout::Gray, samples: Samples::U16(samples) };
        let scaled = resample_picture(source, &framing(0.0, 0.0, 64.0, 64.0, (32, 32))).unwrap();
        let Samples::U16(samples) = scaled.samples else { panic!("sixteen bits went in") };
        for (column, sample) in samples[16 * 32 + 4..][..24].iter().enumerate() {
            assert!(sample.abs_diff(30_000 + 2 * (column as u16 + 4)) <= 1, "{sample}");
        }
    }

    #[test]
    fn a_cut_of_whole_pixels_is_exact_even_where_it_is_transparent() {
        let source = picture(10, 10, Layout::Rgba, |x, y, channel| (x * 20 + y * 2) as u8 * u8::from(channel < 3));
        let cut = resample_picture(source, &framing(3.0, 4.0, 2.0, 2.0, (2, 2))).unwrap();
        assert_eq!(bytes(&cut), [68, 68, 68, 0, 88, 88, 88, 0, 70, 70, 70, 0, 90, 90, 90, 0]);
    }

    #[test]
    fn enlarging_a_flat_picture_keeps_it_flat() {
        let source = picture(3, 3, Layout::Gray, |_, _, _| 77);
        let scaled = resample_picture(source, &framing(0.5, 0.5, 2.0, 2.0, (40, 50))).unwrap();
        assert!(bytes(&scaled).iter().all(|sample| *sample == 77));
    }

    #[test]
    fn chroma_stays_beside_its_luma() {
        // Luma and chroma show the same ramp, so they must agree after any framing, odd sides included.
        let ramp = |width: u32, height: u32, step: f64| Plane {
            width,
            height,
            samples: (0..width * height).map(|i| (f64::from(i % width) * step + step / 2.0).round() as u8).collect(),
        };
        let chroma = ramp(120, 45, 2.0);
        let planes =
            Planes { width: 239, height: 89, luma: ramp(239, 89, 1.0), chroma: Some([chroma.clone(), chroma]) };
        let framing = framing(11.0, 5.0, 201.0, 67.0, (67, 33));
        let scaled = resample_planes(&planes, &framing, Chroma::Halved).unwrap();
        let [blue, red] = scaled.chroma.as_ref().unwrap();
        assert_eq!((blue.width, blue.height, red.width), (34, 17, 34));
        for column in 2..31 {
            let beside = |x: usize| f64::from(scaled.luma.samples[16 * 67 + x]);
            let luma = f64::midpoint(beside(column * 2), beside(column * 2 + 1));
            let chroma = f64::from(blue.samples[8 * 34 + column]);
            assert!((luma - chroma).abs() <= 1.5, "column {column}: luma {luma}, chroma {chroma}");
        }
    }
}

//! Pictures as the eight-bit encoders take them: borrowed where they are so already.

use std::borrow::Cow;

use crate::adapters::raster::pixels::{Layout, Picture, Pixels, Samples};

/// A picture with eight bits per sample.
#[derive(Clone, Debug)]
pub(super) struct Shallow<'picture> {
    pub(super) size: (u32, u32),
    pub(super) layout: Layout,
    pub(super) samples: Cow<'picture, [u8]>,
}

impl<'picture> Shallow<'picture> {
    pub(super) fn of(picture: &'picture Picture) -> Self {
        let samples = match &picture.samples {
            Samples::U8(samples) => Cow::Borrowed(samples.as_slice()),
            Samples::U16(samples) => Cow::Owned(samples.iter().map(|sample| narrow(*sample)).collect()),
        };
        Self { size: (picture.width, picture.height), layout: picture.layout, samples }
    }

    /// Leaves out an alpha that is opaque everywhere.
    pub(super) fn without_idle_alpha(self) -> Self {
        let channels = self.layout.channels();
        let idle =
            self.layout.has_alpha() && self.samples.chunks_exact(channels).all(|pixel| pixel[channels - 1] == 255);
        if idle { self.on_white() } else { self }
    }

    /// Lays the picture on white, so that no alpha is left.
    pub(super) fn on_white(self) -> Self {
        let samples = match self.layout {
            Layout::Gray | Layout::Rgb => return self,
            Layout::GrayAlpha => {
                self.samples.as_chunks::<2>().0.iter().map(|[level, alpha]| over_white(*level, *alpha)).collect()
            }
            Layout::Rgba => {
                let mut opaque = Vec::with_capacity(self.samples.len() / 4 * 3);
                for [r, g, b, alpha] in self.samples.as_chunks::<4>().0 {
                    opaque.extend([over_white(*r, *alpha), over_white(*g, *alpha), over_white(*b, *alpha)]);
                }
                opaque
            }
        };
        let layout = if self.layout == Layout::Rgba { Layout::Rgb } else { Layout::Gray };
        Self { layout, samples: Cow::Owned(samples), ..self }
    }

    /// Repeats grey as red, green and blue.
    pub(super) fn with_colors(self) -> Self {
        let (layout, samples) = match self.layout {
            Layout::Rgb | Layout::Rgba => return self,
            Layout::Gray => (Layout::Rgb, self.samples.iter().flat_map(|level| [*level; 3]).collect()),
            Layout::GrayAlpha => {
                let pixels = self.samples.as_chunks::<2>().0;
                (Layout::Rgba, pixels.iter().flat_map(|[level, alpha]| [*level, *level, *level, *alpha]).collect())
            }
        };
        Self { layout, samples: Cow::Owned(samples), ..self }
    }

    /// The picture without its alpha, and the alpha alone, where there is one.
    pub(super) fn split_alpha(self) -> (Self, Option<Vec<u8>>) {
        if !self.layout.has_alpha() {
            return (self, None);
        }
        let channels = self.layout.channels();
        let alpha = self.samples.iter().skip(channels - 1).step_by(channels).copied().collect();
        let mut colors = Vec::with_capacity(self.samples.len() / channels * (channels - 1));
        for pixel in self.samples.chunks_exact(channels) {
            colors.extend_from_slice(&pixel[..channels - 1]);
        }
        let layout = if channels == 4 { Layout::Rgb } else { Layout::Gray };
        (Self { layout, samples: Cow::Owned(colors), ..self }, Some(alpha))
    }
}

/// The interleaved form of what an encoder cannot take as planes.
pub(super) fn interleaved(pixels: &Pixels) -> Result<Cow<'_, Picture>, mortar_actors::Fault> {
    match pixels {
        Pixels::Picture(picture) => Ok(Cow::Borrowed(picture)),
        Pixels::Planes(planes) => crate::adapters::raster::color::planes_to_picture(planes).map(Cow::Owned),
    }
}

/// 0 to 65,535 onto 0 to 255, rounded.
fn narrow(sample: u16) -> u8 {
    // At most 255, so the cast keeps everything.
    ((u32::from(sample) * 255 + 32_767) / 65_535) as u8
}

fn over_white(level: u8, alpha: u8) -> u8 {
    let mixed = u32::from(level) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
    // At most 255, so the cast keeps everything.
    ((mixed + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(layout: Layout, samples: Samples) -> Picture {
        Picture { width: 2, height: 1, layout, samples }
    }

    #[test]
    fn sixteen_bits_are_rounded_not_cut() {
        let deep = picture(Layout::Gray, Samples::U16(vec![65_535, 200]));
        assert_eq!(*Shallow::of(&deep).samples, [255, 1]);
    }

    #[test]
    fn transparent_pixels_become_white_and_half_ones_mix() {
        let picture = picture(Layout::Rgba, Samples::U8(vec![10, 20, 30, 0, 0, 100, 255, 128]));
        let flat = Shallow::of(&picture).on_white();
        assert_eq!(flat.layout, Layout::Rgb);
        assert_eq!(*flat.samples, [255, 255, 255, 127, 177, 255]);
    }

    #[test]
    fn only_an_alpha_that_does_nothing_is_left_out() {
        let opaque = picture(Layout::GrayAlpha, Samples::U8(vec![7, 255, 8, 255]));
        assert_eq!(*Shallow::of(&opaque).without_idle_alpha().samples, [7, 8]);
        let clear = picture(Layout::GrayAlpha, Samples::U8(vec![7, 255, 8, 254]));
        assert_eq!(Shallow::of(&clear).without_idle_alpha().layout, Layout::GrayAlpha);
    }

    #[test]
    fn alpha_is_split_off_unmixed() {
        let picture = picture(Layout::GrayAlpha, Samples::U8(vec![7, 1, 8, 2]));
        let (colors, alpha) = Shallow::of(&picture).with_colors().split_alpha();
        assert_eq!(*colors.samples, [7, 7, 7, 8, 8, 8]);
        assert_eq!(alpha.unwrap(), [1, 2]);
    }
}

//! How close a scaled picture is to what it should be: SSIMULACRA2 against the ideal reduction.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use ssimulacra2::{ColorPrimaries, LinearRgb, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

/// A picture as it should be: all of the source decoded, scaled by Lanczos3 in linear light.
pub(crate) struct Reference {
    size: (u32, u32),
    linear: Vec<[f32; 3]>,
}

impl Reference {
    /// The reduction of a source to a size.
    pub(crate) fn new(source: &RgbImage, size: (u32, u32)) -> Self {
        let levels: [f32; 256] = std::array::from_fn(|level| linear(level as f32 / 255.0));
        let samples: Vec<f32> = source.as_raw().iter().map(|sample| levels[usize::from(*sample)]).collect();
        let bytes = bytemuck::cast_slice(&samples);
        let picture = ImageRef::new(source.width(), source.height(), bytes, PixelType::F32x3).expect("whole pixels");
        let mut scaled = Image::new(size.0, size.1, PixelType::F32x3);
        let lanczos = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
        Resizer::new().resize(&picture, &mut scaled, &lanczos).expect("equal pixel types");
        let samples: Vec<f32> =
            scaled.buffer().as_chunks::<4>().0.iter().map(|four| f32::from_ne_bytes(*four)).collect();
        let within = |sample: f32| sample.clamp(0.0, 1.0);
        let linear = samples.as_chunks::<3>().0.iter().map(|pixel| pixel.map(within)).collect();
        Self { size, linear }
    }

    /// The score of a picture of the same size: 100 for the reference itself, 90 where nobody sees a difference.
    pub(crate) fn score(&self, picture: &RgbImage) -> f64 {
        assert_eq!(picture.dimensions(), self.size, "both programs make the same size of the source");
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let reference = LinearRgb::new(self.linear.clone(), width, height).expect("as many pixels as the size says");
        let pixels = picture.as_raw().as_chunks::<3>().0;
        let samples = pixels.iter().map(|pixel| pixel.map(|sample| f32::from(sample) / 255.0)).collect();
        let picture = Rgb::new(samples, width, height, TransferCharacteristic::SRGB, ColorPrimaries::BT709);
        compute_frame_ssimulacra2(reference, picture.expect("as many pixels as the size says")).expect("equal sizes")
    }
}

/// The transfer function of sRGB.
fn linear(level: f32) -> f32 {
    if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
}

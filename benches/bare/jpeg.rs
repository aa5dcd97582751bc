use fast_image_resize::PixelType;
use turbojpeg::{Compressor, Decompressor, ScalingFactor, Subsamp, YuvImage, YuvPlanesImage};

use super::{fitted, scale};

/// YCbCr planes with chroma of half the size each way.
pub(super) struct Planes {
    /// Width and height of the picture.
    pub(super) size: (u32, u32),
    /// Luma, with sides rounded up to even ones, and the two chromas.
    pub(super) samples: [Vec<u8>; 3],
}

impl Planes {
    /// Decodes a 4:2:0 JPEG at an integer fraction of its size.
    pub(super) fn decode(source: &[u8], shrink: usize) -> Self {
        let mut decompressor = Decompressor::new().expect("there is memory");
        let header = decompressor.read_header(source).expect("a JPEG");
        assert_eq!(header.subsamp, Subsamp::Sub2x2, "the pictures of the benchmarks are 4:2:0");
        let factor = ScalingFactor::new(1, shrink);
        decompressor.set_scaling_factor(factor).expect("a factor that the library has");
        let (width, height) = (factor.scale(header.width), factor.scale(header.height));
        let length = turbojpeg::yuv_pixels_len(width, 1, height, header.subsamp).expect("a size");
        let mut pixels = vec![0; length];
        let planes = YuvImage { pixels: pixels.as_mut_slice(), width, align: 1, height, subsamp: header.subsamp };
        let luma = planes.y_width() * planes.y_height();
        let chroma = planes.uv_width() * planes.uv_height();
        decompressor.decompress_to_yuv(source, planes).expect("a whole JPEG");
        let red = pixels.split_off(luma + chroma);
        let blue = pixels.split_off(luma);
        Self { size: (width as u32, height as u32), samples: [pixels, blue, red] }
    }

    /// Scales each plane.
    pub(super) fn scaled(&self, width: u32) -> Self {
        let size = fitted(self.size, width);
        let [luma, blue, red] = &self.samples;
        Self {
            size,
            samples: [
                scale(even(self.size), luma, even(size), PixelType::U8),
                scale(half(self.size), blue, half(size), PixelType::U8),
                scale(half(self.size), red, half(size), PixelType::U8),
            ],
        }
    }

    pub(super) fn to_jpeg(&self, quality: u8) -> Vec<u8> {
        let mut compressor = Compressor::new().expect("there is memory");
        compressor.set_quality(i32::from(quality)).expect("a quality");
        compressor.set_optimize(true).expect("a setting that the library has");
        let chroma_stride = half(self.size).0 as usize;
        let [luma, blue, red] = &self.samples;
        let planes = YuvPlanesImage {
            y_plane: luma.as_slice(),
            u_plane: blue.as_slice(),
            v_plane: red.as_slice(),
            width: self.size.0 as usize,
            height: self.size.1 as usize,
            y_stride: even(self.size).0 as usize,
            u_stride: chroma_stride,
            v_stride: chroma_stride,
            subsamp: Subsamp::Sub2x2,
        };
        compressor.compress_yuv_planes_to_vec(&planes).expect("planes that fit each other")
    }
}

/// The size of the luma plane.
pub(super) fn even((width, height): (u32, u32)) -> (u32, u32) {
    (width.next_multiple_of(2), height.next_multiple_of(2))
}

/// The size of a chroma plane.
pub(super) fn half((width, height): (u32, u32)) -> (u32, u32) {
    (width.div_ceil(2), height.div_ceil(2))
}

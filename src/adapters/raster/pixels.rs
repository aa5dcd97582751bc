//! Pictures in memory: what decoders make, operations change and encoders take.

/// Interleaved samples of one picture, rows without padding, sRGB unless the decoder says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Width in pixels; never zero.
    pub width: u32,
    /// Height in pixels; never zero.
    pub height: u32,
    /// Which samples make a pixel.
    pub layout: Layout,
    /// `width * height * layout.channels()` samples.
    pub samples: Samples,
}

/// Which samples make a pixel, in order. Alpha is straight (not premultiplied) wherever a picture rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Lightness.
    Gray,
    /// Lightness and alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
}

/// Sample depth: eight bits, or sixteen where the source has more than eight.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// 0 to 255.
    U8(Vec<u8>),
    /// 0 to 65,535.
    U16(Vec<u16>),
}

/// A picture as full-range BT.601 YCbCr planes (the JFIF convention): the cheapest way from JPEG to JPEG or AVIF.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    /// Width of the picture, and of the luma plane, in pixels.
    pub width: u32,
    /// Height of the picture, and of the luma plane, in pixels.
    pub height: u32,
    /// Luma.
    pub luma: Plane,
    /// Cb and Cr, as the source subsamples them; `None` for a grey picture.
    pub chroma: Option<[Plane; 2]>,
}

/// One plane of samples, rows without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    /// Width in samples.
    pub width: u32,
    /// Height in samples.
    pub height: u32,
    /// `width * height` samples.
    pub samples: Vec<u8>,
}

impl Layout {
    /// Samples per pixel.
    pub fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// Whether the last sample is alpha.
    pub fn has_alpha(self) -> bool {
        matches!(self, Self::GrayAlpha | Self::Rgba)
    }
}

/// Pixels in the form in which they are cheapest to work on.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// Interleaved samples.
    Picture(Picture),
    /// YCbCr planes, which the lossy formats know.
    Planes(Planes),
}

impl Pixels {
    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Self::Picture(picture) => (picture.width, picture.height),
            Self::Planes(planes) => (planes.width, planes.height),
        }
    }
}

/// How much smaller the chroma planes are than the luma plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsampling {
    /// No chroma at all.
    Gray,
    /// As large as luma.
    Full,
    /// Half as wide.
    HalfWidth,
    /// Half as high.
    HalfHeight,
    /// Half as wide and half as high.
    Quarter,
}

impl Subsampling {
    /// Size of a chroma plane beside a luma plane of `width` x `height`, rounded up; zero without chroma.
    pub fn chroma_size(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Gray => (0, 0),
            Self::Full => (width, height),
            Self::HalfWidth => (width.div_ceil(2), height),
            Self::HalfHeight => (width, height.div_ceil(2)),
            Self::Quarter => (width.div_ceil(2), height.div_ceil(2)),
        }
    }
}

impl Planes {
    /// How these planes are subsampled, or `None` where their sizes fit no known way.
    pub fn subsampling(&self) -> Option<Subsampling> {
        let Some([cb, cr]) = &self.chroma else { return Some(Subsampling::Gray) };
        if (cb.width, cb.height) != (cr.width, cr.height) {
            return None;
        }
        // A side of one pixel stays one when it is halved, so several ways fit; the one that every format takes is first.
        [Subsampling::Quarter, Subsampling::Full, Subsampling::HalfWidth, Subsampling::HalfHeight]
            .into_iter()
            .find(|way| way.chroma_size(self.width, self.height) == (cb.width, cb.height))
    }
}

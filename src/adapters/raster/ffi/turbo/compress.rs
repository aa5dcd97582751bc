use std::ffi::c_int;
use std::ptr::{NonNull, null, null_mut};

use turbojpeg::raw;

use super::handle::{Handle, TurboError, int, interleaved, to_raw};
use super::padding::{pad_luma, padded_luma_size};
use crate::adapters::raster::pixels::{Planes, Subsampling};

/// Writes one JPEG with optimised Huffman tables.
#[derive(Debug)]
pub(in crate::adapters::raster) struct Compressor(Handle);

/// A JPEG in memory of the library.
#[derive(Debug)]
pub(in crate::adapters::raster) struct Compressed {
    bytes: NonNull<u8>,
    length: usize,
}

impl Compressor {
    /// `quality` is 1 to 100.
    pub(in crate::adapters::raster) fn new(quality: u8, progressive: bool) -> Result<Self, TurboError> {
        let mut handle = Handle::new(raw::TJINIT_TJINIT_COMPRESS)?;
        handle.set(raw::TJPARAM_TJPARAM_QUALITY, c_int::from(quality.clamp(1, 100)))?;
        handle.set(raw::TJPARAM_TJPARAM_OPTIMIZE, 1)?;
        handle.set(raw::TJPARAM_TJPARAM_PROGRESSIVE, c_int::from(progressive))?;
        Ok(Self(handle))
    }

    /// Compresses planes as they are.
    ///
    /// # Errors
    /// When the planes do not fit each other, or the library fails.
    pub(in crate::adapters::raster) fn planes(mut self, planes: &Planes) -> Result<Compressed, TurboError> {
        let subsampling = planes.subsampling().ok_or_else(|| TurboError::new("planes that do not fit each other"))?;
        planes.check()?;
        self.0.set(raw::TJPARAM_TJPARAM_SUBSAMP, to_raw(subsampling))?;
        let luma = pad_luma(planes, subsampling);
        let (luma_width, _) = padded_luma_size(planes.width, planes.height, subsampling);
        let mut strides = [int(luma_width as usize), 0, 0];
        let mut pointers = [luma.as_ptr(), null(), null()];
        if let Some([cb, cr]) = &planes.chroma {
            strides[1..].fill(int(cb.width as usize));
            pointers[1] = cb.samples.as_ptr();
            pointers[2] = cr.samples.as_ptr();
        }
        let (mut bytes, mut length) = (null_mut(), 0);
        // SAFETY: the planes were checked to have the sizes that the library reads for this size and subsampling; the
        // arrays have three entries; a null buffer asks the library to allocate one, which `Compressed` frees.
        let status = unsafe {
            raw::tj3CompressFromYUVPlanes8(
                self.0.as_ptr(),
                pointers.as_ptr(),
                int(planes.width as usize),
                strides.as_ptr(),
                int(planes.height as usize),
                &raw mut bytes,
                &raw mut length,
            )
        };
        self.finish(status, bytes, length)
    }

    /// Compresses interleaved samples: grey for [`Subsampling::Gray`], RGB otherwise.
    ///
    /// # Errors
    /// When there are fewer samples than the size needs, or the library fails.
    pub(in crate::adapters::raster) fn samples(
        mut self,
        (width, height): (u32, u32),
        samples: &[u8],
        subsampling: Subsampling,
    ) -> Result<Compressed, TurboError> {
        let (format, pitch) = interleaved((width, height), samples, subsampling)?;
        self.0.set(raw::TJPARAM_TJPARAM_SUBSAMP, to_raw(subsampling))?;
        let (mut bytes, mut length) = (null_mut(), 0);
        // SAFETY: `samples` was checked to hold `height` rows of `pitch` bytes; a null buffer asks the library to
        // allocate one, which `Compressed` frees.
        let status = unsafe {
            raw::tj3Compress8(
                self.0.as_ptr(),
                samples.as_ptr(),
                int(width as usize),
                int(pitch),
                int(height as usize),
                format,
                &raw mut bytes,
                &raw mut length,
            )
        };
        self.finish(status, bytes, length)
    }

    fn finish(mut self, status: c_int, bytes: *mut u8, length: raw::size_t) -> Result<Compressed, TurboError> {
        // Owned before the status is looked at, so that a failure frees it too.
        let compressed =
            NonNull::new(bytes).map(|bytes| Compressed { bytes, length: usize::try_from(length).unwrap_or_default() });
        self.0.check(status)?;
        compressed.ok_or_else(|| TurboError::new("nothing was written"))
    }
}

impl Compressed {
    /// The file.
    pub(in crate::adapters::raster) fn as_slice(&self) -> &[u8] {
        // SAFETY: the library wrote `length` bytes there and nobody changes them until `drop`.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), self.length) }
    }
}

impl Drop for Compressed {
    fn drop(&mut self) {
        // SAFETY: the buffer was allocated by the library and is freed once.
        unsafe { raw::tj3Free(self.bytes.as_ptr().cast()) }
    }
}

impl Planes {
    /// Checks that each plane holds what its size says: the library reads without asking.
    pub(super) fn check(&self) -> Result<(), TurboError> {
        let luma_fits = (self.luma.width, self.luma.height) == (self.width, self.height);
        let mut all = std::iter::once(&self.luma).chain(self.chroma.iter().flatten());
        let full = all.all(|plane| plane.samples.len() == plane.width as usize * plane.height as usize);
        if luma_fits && full && self.width > 0 && self.height > 0 {
            return Ok(());
        }
        Err(TurboError::new("planes that do not fit their size"))
    }
}

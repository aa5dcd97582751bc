use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null, null_mut};

use libwebp_sys as raw;

use super::encode::Imported;
use super::{Effort, WebpError};

/// Writes an animation frame by frame; the library keeps only compressed frames and two canvases.
#[derive(Debug)]
pub(in crate::adapters::raster) struct AnimEncoder {
    encoder: NonNull<raw::WebPAnimEncoder>,
    size: (u32, u32),
    config: raw::WebPConfig,
    elapsed_ms: c_int,
}

// SAFETY: the encoder has no ties to the thread that made it, and only `&mut self` and `self` reach it.
unsafe impl Send for AnimEncoder {}

impl AnimEncoder {
    /// `loops` is how often it plays; zero is for ever.
    ///
    /// # Errors
    /// When the size is out of range or there is no memory.
    pub(in crate::adapters::raster) fn new(size: (u32, u32), loops: u16, effort: Effort) -> Result<Self, WebpError> {
        let config = effort.config()?;
        let side = |side: u32| c_int::try_from(side).map_err(|_| WebpError::new("a side too long"));
        let (width, height) = (side(size.0)?, side(size.1)?);
        let version = raw::WebPGetMuxABIVersion();
        let mut options = MaybeUninit::uninit();
        // SAFETY: the library fills the whole struct, or answers zero when it is of another version.
        if unsafe { raw::WebPAnimEncoderOptionsInitInternal(options.as_mut_ptr(), version) } == 0 {
            return Err(WebpError::new("another version of the library"));
        }
        // SAFETY: filled just above.
        let mut options: raw::WebPAnimEncoderOptions = unsafe { options.assume_init() };
        options.anim_params.loop_count = c_int::from(loops);
        // No key frames but the first: they help only players that seek, and cost up to half the file.
        options.kmin = c_int::MAX - 1;
        options.kmax = c_int::MAX;
        // SAFETY: the options are read during the call only; null is answered for sizes out of range.
        let encoder = unsafe { raw::WebPAnimEncoderNewInternal(width, height, &raw const options, version) };
        let encoder = NonNull::new(encoder).ok_or_else(|| WebpError::new("no such animation"))?;
        Ok(Self { encoder, size, config, elapsed_ms: 0 })
    }

    /// Adds a full-canvas RGBA frame, shown for `delay_ms`.
    ///
    /// # Errors
    /// When there are too few samples or the library fails.
    pub(in crate::adapters::raster) fn push(&mut self, rgba: &[u8], delay_ms: u32) -> Result<(), WebpError> {
        let mut picture = Imported::from_samples(self.size, rgba, true)?;
        // SAFETY: encoder, picture and config are alive; the encoder copies what it keeps.
        let done = unsafe {
            raw::WebPAnimEncoderAdd(
                self.encoder.as_ptr(),
                picture.as_mut_ptr(),
                self.elapsed_ms,
                &raw const self.config,
            )
        };
        self.check(done)?;
        self.elapsed_ms = self.elapsed_ms.saturating_add(c_int::try_from(delay_ms).unwrap_or(c_int::MAX));
        Ok(())
    }

    /// Ends the animation and hands out the file.
    ///
    /// # Errors
    /// When no frame was added or the library fails.
    pub(in crate::adapters::raster) fn finish(mut self) -> Result<Vec<u8>, WebpError> {
        // SAFETY: a null frame marks the end of the last one, as the library documents.
        let done = unsafe { raw::WebPAnimEncoderAdd(self.encoder.as_ptr(), null_mut(), self.elapsed_ms, null()) };
        self.check(done)?;
        let mut data = raw::WebPData { bytes: null(), size: 0 };
        // SAFETY: the encoder is alive and fills `data` with memory of the library.
        let done = unsafe { raw::WebPAnimEncoderAssemble(self.encoder.as_ptr(), &raw mut data) };
        self.check(done)?;
        // SAFETY: the library answered success, so `data` is a whole file.
        let file = unsafe { std::slice::from_raw_parts(data.bytes, data.size) }.to_vec();
        // SAFETY: the memory came from the library and is not used any more.
        unsafe { raw::WebPDataClear(&mut data) };
        Ok(file)
    }

    fn check(&mut self, done: c_int) -> Result<(), WebpError> {
        if done != 0 {
            return Ok(());
        }
        // SAFETY: the encoder is alive and owns the terminated string, which is copied here.
        let message = unsafe { CStr::from_ptr(raw::WebPAnimEncoderGetError(self.encoder.as_ptr())) };
        Err(WebpError::new(message.to_string_lossy()))
    }
}

impl Drop for AnimEncoder {
    fn drop(&mut self) {
        // SAFETY: made by the library and deleted once.
        unsafe { raw::WebPAnimEncoderDelete(self.encoder.as_ptr()) }
    }
}

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};

use libwebp_sys as raw;

use super::WebpError;

/// Composes the frames of an animation one after the other; holds two canvases.
#[derive(Debug)]
pub(in crate::adapters::raster) struct AnimDecoder<'source> {
    decoder: NonNull<raw::WebPAnimDecoder>,
    info: raw::WebPAnimInfo,
    elapsed_ms: u32,
    source: PhantomData<&'source [u8]>,
}

// SAFETY: the decoder has no ties to the thread that made it, and only `&mut self` reaches it.
unsafe impl Send for AnimDecoder<'_> {}

impl<'source> AnimDecoder<'source> {
    /// Opens a whole file, still or animated.
    ///
    /// # Errors
    /// When the file is corrupt or cut off.
    pub(in crate::adapters::raster) fn open(source: &'source [u8]) -> Result<Self, WebpError> {
        let mut options = MaybeUninit::uninit();
        // SAFETY: the library fills the whole struct, or answers zero when it is of another version.
        if unsafe { raw::WebPAnimDecoderOptionsInit(options.as_mut_ptr()) } == 0 {
            return Err(WebpError::new("another version of the library"));
        }
        // SAFETY: filled just above.
        let mut options: raw::WebPAnimDecoderOptions = unsafe { options.assume_init() };
        options.color_mode = raw::WEBP_CSP_MODE::MODE_RGBA;
        let data = raw::WebPData { bytes: source.as_ptr(), size: source.len() };
        // SAFETY: `data` describes one live slice. The decoder keeps a pointer to the bytes, not to `data`, and the
        // lifetime of `Self` keeps them alive.
        let decoder = unsafe { raw::WebPAnimDecoderNew(&raw const data, &raw const options) };
        let decoder = NonNull::new(decoder).ok_or_else(|| WebpError::new("no whole animation"))?;
        let mut info = MaybeUninit::uninit();
        // SAFETY: the decoder is alive and fills the whole struct.
        let done = unsafe { raw::WebPAnimDecoderGetInfo(decoder.as_ptr(), info.as_mut_ptr()) };
        // SAFETY: filled just above; a plain struct of integers, for which zero would do as well.
        let info = unsafe { info.assume_init() };
        let opened = Self { decoder, info, elapsed_ms: 0, source: PhantomData };
        if done == 0 { Err(WebpError::new("no information about the animation")) } else { Ok(opened) }
    }

    /// Width and height of the canvas.
    pub(in crate::adapters::raster) fn size(&self) -> (u32, u32) {
        (self.info.canvas_width, self.info.canvas_height)
    }

    /// How many frames there are.
    pub(in crate::adapters::raster) fn frames(&self) -> u32 {
        self.info.frame_count
    }

    /// How often it plays; zero is for ever.
    pub(in crate::adapters::raster) fn loops(&self) -> u32 {
        self.info.loop_count
    }

    /// The next canvas as RGBA and how long it is shown, in milliseconds; `None` at the end.
    ///
    /// # Errors
    /// When the frame is corrupt.
    pub(in crate::adapters::raster) fn next(&mut self) -> Result<Option<(Vec<u8>, u32)>, WebpError> {
        // SAFETY: the decoder is alive.
        if unsafe { raw::WebPAnimDecoderHasMoreFrames(self.decoder.as_ptr()) } == 0 {
            return Ok(None);
        }
        let (mut canvas, mut end_ms) = (null_mut(), 0);
        // SAFETY: the decoder is alive and answers with a pointer to its own canvas.
        let done = unsafe { raw::WebPAnimDecoderGetNext(self.decoder.as_ptr(), &raw mut canvas, &raw mut end_ms) };
        if done == 0 || canvas.is_null() {
            return Err(WebpError::new("a corrupt frame"));
        }
        let length = self.info.canvas_width as usize * self.info.canvas_height as usize * 4;
        // SAFETY: the canvas is RGBA of the announced size and stays as it is until the next call; it is copied here.
        let rgba = unsafe { std::slice::from_raw_parts(canvas, length) }.to_vec();
        let end_ms = u32::try_from(end_ms).unwrap_or(self.elapsed_ms);
        let delay_ms = end_ms.saturating_sub(self.elapsed_ms);
        self.elapsed_ms = end_ms;
        Ok(Some((rgba, delay_ms)))
    }
}

impl Drop for AnimDecoder<'_> {
    fn drop(&mut self) {
        // SAFETY: made by the library and deleted once.
        unsafe { raw::WebPAnimDecoderDelete(self.decoder.as_ptr()) }
    }
}

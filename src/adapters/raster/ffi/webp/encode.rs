use std::ffi::c_int;

use libwebp_sys as raw;
use mortar_actors::StopFlag;

use super::WebpError;

/// Lossy compression: how good and how hard.
#[derive(Clone, Copy, Debug)]
pub(in crate::adapters::raster) struct Effort {
    /// 1 to 100.
    pub(in crate::adapters::raster) quality: u8,
    /// 0 (fast) to 6 (small).
    pub(in crate::adapters::raster) method: u8,
}

/// A picture in the library's own memory, converted to its own YUV.
pub(super) struct Imported(raw::WebPPicture);

/// Encodes RGB or, with `alpha`, RGBA samples. Ends early when `stop` is raised.
///
/// # Errors
/// When there are too few samples, the library fails, or `stop` was raised; ask `stop` which it was.
pub(in crate::adapters::raster) fn encode(
    size: (u32, u32),
    samples: &[u8],
    alpha: bool,
    effort: Effort,
    stop: &StopFlag,
) -> Result<Vec<u8>, WebpError> {
    let config = effort.config()?;
    let mut picture = Imported::new(size, samples, alpha)?;
    let mut written: Vec<u8> = Vec::new();
    picture.0.writer = Some(append);
    picture.0.custom_ptr = (&raw mut written).cast();
    picture.0.progress_hook = Some(go_on);
    picture.0.user_data = std::ptr::from_ref(stop).cast_mut().cast();
    // SAFETY: config and picture were made by the library. The pointers that the two hooks get are a vector and a flag
    // of this frame, which outlive the call; nothing else touches the vector meanwhile.
    let done = unsafe { raw::WebPEncode(&raw const config, &raw mut picture.0) };
    if done == 0 {
        return Err(WebpError::new(format!("{:?}", picture.0.error_code)));
    }
    Ok(written)
}

/// The library's writer: takes the next bytes of the file.
unsafe extern "C" fn append(data: *const u8, length: usize, picture: *const raw::WebPPicture) -> c_int {
    if length == 0 {
        return 1;
    }
    // SAFETY: `encode` put a pointer to its vector there, and the library hands its own picture and its own bytes.
    let (written, bytes) =
        unsafe { (&mut *(*picture).custom_ptr.cast::<Vec<u8>>(), std::slice::from_raw_parts(data, length)) };
    if written.try_reserve(bytes.len()).is_err() {
        return 0;
    }
    written.extend_from_slice(bytes);
    1
}

/// The library's progress hook: 0 ends the work.
unsafe extern "C" fn go_on(_percent: c_int, picture: *const raw::WebPPicture) -> c_int {
    // SAFETY: `encode` put a pointer to the flag there, which lives as long as the call.
    let stop = unsafe { &*(*picture).user_data.cast::<StopFlag>().cast_const() };
    c_int::from(!stop.is_raised())
}

impl Effort {
    pub(super) fn config(self) -> Result<raw::WebPConfig, WebpError> {
        let mut config = raw::WebPConfig::new_with_preset(
            raw::WebPPreset::WEBP_PRESET_DEFAULT,
            f32::from(self.quality.clamp(1, 100)),
        )
        .map_err(|()| WebpError::new("another version of the library"))?;
        config.method = c_int::from(self.method.min(6));
        // SAFETY: a plain struct that the library only reads.
        if unsafe { raw::WebPValidateConfig(&raw const config) } == 0 {
            return Err(WebpError::new("settings out of range"));
        }
        Ok(config)
    }
}

impl Imported {
    pub(super) fn new((width, height): (u32, u32), samples: &[u8], alpha: bool) -> Result<Self, WebpError> {
        let mut picture = raw::WebPPicture::new().map_err(|()| WebpError::new("another version of the library"))?;
        let channels = if alpha { 4 } else { 3 };
        let stride = width as usize * channels;
        if samples.len() < stride * height as usize {
            return Err(WebpError::new("fewer samples than pixels"));
        }
        let too_long = |_| WebpError::new("a side too long");
        picture.width = c_int::try_from(width).map_err(too_long)?;
        picture.height = c_int::try_from(height).map_err(too_long)?;
        let stride = c_int::try_from(stride).map_err(too_long)?;
        let mut imported = Self(picture);
        // SAFETY: the picture was made by the library and its size was set; `samples` was checked to hold `height`
        // rows of `stride` bytes, which are only read.
        let done = unsafe {
            if alpha {
                raw::WebPPictureImportRGBA(&raw mut imported.0, samples.as_ptr(), stride)
            } else {
                raw::WebPPictureImportRGB(&raw mut imported.0, samples.as_ptr(), stride)
            }
        };
        if done == 0 {
            return Err(WebpError::new(format!("{:?}", imported.0.error_code)));
        }
        Ok(imported)
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut raw::WebPPicture {
        &raw mut self.0
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        // SAFETY: the picture was made by the library; freeing one without memory does nothing.
        unsafe { raw::WebPPictureFree(&raw mut self.0) }
    }
}

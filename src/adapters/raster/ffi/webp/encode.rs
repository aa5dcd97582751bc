use std::ffi::c_int;

use libwebp_sys as raw;
use mortar_actors::StopFlag;

use super::WebpError;
use crate::adapters::raster::pixels::{Planes, Subsampling};

/// Lossy compression: how good and how hard.
#[derive(Clone, Copy, Debug)]
pub(in crate::adapters::raster) struct Effort {
    /// 1 to 100.
    pub(in crate::adapters::raster) quality: u8,
    /// 0 (fast) to 6 (small).
    pub(in crate::adapters::raster) method: u8,
}

/// A picture in the library's own memory, converted to its own YUV.
pub(in crate::adapters::raster) struct Imported(raw::WebPPicture);

/// Encodes a picture. Ends early when `stop` is raised.
///
/// # Errors
/// When the library fails, or `stop` was raised; ask `stop` which it was.
pub(in crate::adapters::raster) fn encode(
    mut picture: Imported,
    effort: Effort,
    stop: &StopFlag,
) -> Result<Vec<u8>, WebpError> {
    let config = effort.config()?;
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
    /// Converts RGB or, with `alpha`, RGBA samples.
    ///
    /// # Errors
    /// When there are too few samples or there is no memory.
    pub(in crate::adapters::raster) fn from_samples(
        (width, height): (u32, u32),
        samples: &[u8],
        alpha: bool,
    ) -> Result<Self, WebpError> {
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

    /// Takes 4:2:0 planes over, from JPEG's full range to the narrow one of video, which WebP has.
    ///
    /// # Errors
    /// When the planes are not 4:2:0 or do not fit their size.
    pub(in crate::adapters::raster) fn from_planes(planes: &Planes) -> Result<Self, WebpError> {
        let (Some(Subsampling::Quarter), Some([cb, cr])) = (planes.subsampling(), &planes.chroma) else {
            return Err(WebpError::new("planes that WebP does not take"));
        };
        let mut picture = raw::WebPPicture::new().map_err(|()| WebpError::new("another version of the library"))?;
        let too_long = |_| WebpError::new("a side too long");
        picture.width = c_int::try_from(planes.width).map_err(too_long)?;
        picture.height = c_int::try_from(planes.height).map_err(too_long)?;
        let mut imported = Self(picture);
        // SAFETY: the picture was made by the library and its size was set.
        if unsafe { raw::WebPPictureAlloc(&raw mut imported.0) } == 0 {
            return Err(WebpError::new(format!("{:?}", imported.0.error_code)));
        }
        let (luma, chroma) = (narrow_range(0, 16, 219), narrow_range(128, 128, 224));
        let picture = &imported.0;
        for (source, target, stride, levels) in [
            (&planes.luma, picture.y, picture.y_stride, &luma),
            (cb, picture.u, picture.uv_stride, &chroma),
            (cr, picture.v, picture.uv_stride, &chroma),
        ] {
            let stride = usize::try_from(stride).map_err(too_long)?;
            for (y, row) in source.samples.chunks_exact(source.width as usize).take(source.height as usize).enumerate()
            {
                // SAFETY: the library allocated this plane with as many rows of at least as many samples: it has the
                // same size, and its chroma planes are half of it, rounded up, as was checked of the source's.
                let target = unsafe { std::slice::from_raw_parts_mut(target.add(y * stride), row.len()) };
                for (target, sample) in target.iter_mut().zip(row) {
                    *target = levels[usize::from(*sample)];
                }
            }
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

/// Maps full-range levels around `zero` to the narrow range: `zero` to `base`, 255 steps to `steps`.
fn narrow_range(zero: i32, base: i32, steps: i32) -> [u8; 256] {
    std::array::from_fn(|level| {
        // Levels are below 256, so the cast keeps everything; rounding is away from zero on both sides of `zero`.
        let distance = (level as i32 - zero) * steps;
        let rounded = (distance + 127 * distance.signum()) / 255;
        u8::try_from(base + rounded).unwrap_or(u8::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_range_fits_into_the_narrow_one() {
        let (luma, chroma) = (narrow_range(0, 16, 219), narrow_range(128, 128, 224));
        assert_eq!((luma[0], luma[255]), (16, 235));
        assert_eq!((chroma[0], chroma[128], chroma[255]), (16, 128, 240));
    }
}

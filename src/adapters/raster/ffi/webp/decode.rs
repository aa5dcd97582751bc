use std::ffi::c_int;

use libwebp_sys as raw;

use super::WebpError;

/// Decodes a still picture to RGB or, with `alpha`, RGBA of exactly `width` x `height`, shrinking by area averages
/// where that is smaller than the picture.
///
/// # Errors
/// When the file is corrupt or cut off.
pub(in crate::adapters::raster) fn decode(
    source: &[u8],
    (width, height): (u32, u32),
    alpha: bool,
) -> Result<Vec<u8>, WebpError> {
    let mut config = raw::WebPDecoderConfig::new().map_err(|()| WebpError::new("another version of the library"))?;
    // SAFETY: pointer and length are those of one live slice; the features are a plain struct that is written.
    let status = unsafe { raw::WebPGetFeatures(source.as_ptr(), source.len(), &raw mut config.input) };
    check(status)?;
    let (Ok(scaled_width), Ok(scaled_height)) = (c_int::try_from(width), c_int::try_from(height)) else {
        return Err(WebpError::new("a side too long"));
    };
    if (config.input.width, config.input.height) != (scaled_width, scaled_height) {
        config.options.use_scaling = 1;
        config.options.scaled_width = scaled_width;
        config.options.scaled_height = scaled_height;
    }
    let channels = if alpha { 4 } else { 3 };
    let stride = width as usize * channels;
    let mut samples = vec![0; stride * height as usize];
    config.output.colorspace = if alpha { raw::WEBP_CSP_MODE::MODE_RGBA } else { raw::WEBP_CSP_MODE::MODE_RGB };
    config.output.is_external_memory = 1;
    config.output.u.RGBA = raw::WebPRGBABuffer {
        rgba: samples.as_mut_ptr(),
        stride: c_int::try_from(stride).map_err(|_| WebpError::new("a row too long"))?,
        size: samples.len(),
    };
    // SAFETY: pointer and length are those of one live slice. The output is the vector above, with its real stride and
    // size, which the library checks against the size that it decodes to; it outlives the call.
    let status = unsafe { raw::WebPDecode(source.as_ptr(), source.len(), &raw mut config) };
    check(status)?;
    Ok(samples)
}

fn check(status: raw::VP8StatusCode) -> Result<(), WebpError> {
    match status {
        raw::VP8StatusCode::VP8_STATUS_OK => Ok(()),
        other => Err(WebpError::new(format!("{other:?}"))),
    }
}

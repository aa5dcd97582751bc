use std::ptr::null_mut;

use turbojpeg::raw;

use super::handle::{Handle, TurboError, int, interleaved, to_raw};
use super::padding::{padded_planes, trim};
use crate::adapters::raster::pixels::{Plane, Planes, Subsampling};

/// YCbCr planes of one size to interleaved RGB.
///
/// # Errors
/// When the planes do not fit each other.
pub(in crate::adapters::raster) fn planes_to_rgb(luma: &Plane, [cb, cr]: &[Plane; 2]) -> Result<Vec<u8>, TurboError> {
    let (width, height) = (luma.width as usize, luma.height as usize);
    if [luma, cb, cr].iter().any(|plane| plane.samples.len() < width * height) {
        return Err(TurboError::new("planes that do not fit each other"));
    }
    let mut handle = Handle::new(raw::TJINIT_TJINIT_DECOMPRESS)?;
    handle.set(raw::TJPARAM_TJPARAM_SUBSAMP, to_raw(Subsampling::Full))?;
    let strides = [int(width); 3];
    let pointers = [luma.samples.as_ptr(), cb.samples.as_ptr(), cr.samples.as_ptr()];
    let pitch = width * 3;
    let mut samples = vec![0; pitch * height];
    // SAFETY: each plane was checked to hold the `height` rows of `width` samples that the library reads without
    // subsampling, and `samples` holds the `height` rows of `pitch` bytes that it writes.
    let status = unsafe {
        raw::tj3DecodeYUVPlanes8(
            handle.as_ptr(),
            pointers.as_ptr(),
            strides.as_ptr(),
            samples.as_mut_ptr(),
            int(width),
            int(pitch),
            int(height),
            raw::TJPF_TJPF_RGB,
        )
    };
    handle.check(status)?;
    Ok(samples)
}

/// Interleaved samples to YCbCr planes: grey samples for [`Subsampling::Gray`], RGB otherwise.
///
/// # Errors
/// When there are fewer samples than the size needs.
pub(in crate::adapters::raster) fn picture_to_planes(
    (width, height): (u32, u32),
    samples: &[u8],
    subsampling: Subsampling,
) -> Result<Planes, TurboError> {
    let (format, pitch) = interleaved((width, height), samples, subsampling)?;
    let mut handle = Handle::new(raw::TJINIT_TJINIT_COMPRESS)?;
    handle.set(raw::TJPARAM_TJPARAM_SUBSAMP, to_raw(subsampling))?;
    let mut planes = padded_planes(width, height, subsampling);
    let mut strides = [int(planes.luma.width as usize), 0, 0];
    let mut pointers = [planes.luma.samples.as_mut_ptr(), null_mut(), null_mut()];
    if let Some([cb, cr]) = &mut planes.chroma {
        strides[1..].fill(int(cb.width as usize));
        pointers[1] = cb.samples.as_mut_ptr();
        pointers[2] = cr.samples.as_mut_ptr();
    }
    // SAFETY: `samples` was checked to hold `height` rows of `pitch` bytes, and the planes have the padded sizes that
    // the library writes for this size and subsampling.
    let status = unsafe {
        raw::tj3EncodeYUVPlanes8(
            handle.as_ptr(),
            samples.as_ptr(),
            int(width as usize),
            int(pitch),
            int(height as usize),
            format,
            pointers.as_mut_ptr(),
            strides.as_mut_ptr(),
        )
    };
    handle.check(status)?;
    Ok(trim(planes))
}

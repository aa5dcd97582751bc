use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use libaom_sys as raw;

use super::AomError;
use crate::adapters::raster::pixels::{Plane, Planes, Subsampling};

/// BT.601, the matrix of JFIF planes, and sRGB, in the code points of ITU-T H.273.
const MATRIX_BT601: c_int = 6;
const PRIMARIES_SRGB: c_int = 1;
const TRANSFER_SRGB: c_int = 13;

/// How good and how hard.
#[derive(Clone, Copy, Debug)]
pub(in crate::adapters::raster) struct Settings {
    /// 0 (no loss to speak of) to 63.
    pub(in crate::adapters::raster) quantizer: u8,
    /// 5 (small) to 9 (fast).
    pub(in crate::adapters::raster) speed: u8,
}

struct Encoder(raw::aom_codec_ctx_t);

/// Encodes full-range BT.601 planes of 4:2:0, 4:4:4 or luma alone as one key frame.
///
/// # Errors
/// When the planes are subsampled in another way, do not fit their size, or the library fails.
pub(in crate::adapters::raster) fn encode(planes: &Planes, settings: Settings) -> Result<Vec<u8>, AomError> {
    let subsampling = planes
        .subsampling()
        .filter(|way| matches!(way, Subsampling::Gray | Subsampling::Quarter | Subsampling::Full))
        .ok_or(AomError("planes that AV1 does not take"))?;
    let full = |plane: &Plane| plane.samples.len() == plane.width as usize * plane.height as usize;
    let luma_fits = (planes.luma.width, planes.luma.height) == (planes.width, planes.height);
    if !luma_fits || !full(&planes.luma) || !planes.chroma.iter().flatten().all(full) {
        return Err(AomError("planes that do not fit their size"));
    }
    let mut encoder = Encoder::new(planes, subsampling, settings)?;
    let image = describe(planes, subsampling)?;
    encoder.push(&raw const image)?;
    let mut stream = Vec::new();
    encoder.drain_into(&mut stream);
    // A null picture flushes what the encoder still holds.
    encoder.push(null())?;
    encoder.drain_into(&mut stream);
    if stream.is_empty() { Err(AomError("nothing was written")) } else { Ok(stream) }
}

impl Encoder {
    fn new(planes: &Planes, subsampling: Subsampling, settings: Settings) -> Result<Self, AomError> {
        let mut config = default_config()?;
        config.g_w = planes.width;
        config.g_h = planes.height;
        config.g_profile = c_uint::from(subsampling == Subsampling::Full);
        config.g_threads = 1;
        config.g_limit = 1;
        config.g_lag_in_frames = 0;
        config.g_bit_depth = raw::AOM_BITS_8;
        config.g_input_bit_depth = 8;
        config.rc_end_usage = raw::AOM_Q;
        config.rc_min_quantizer = 0;
        config.rc_max_quantizer = 63;
        config.monochrome = c_uint::from(subsampling == Subsampling::Gray);
        config.full_still_picture_hdr = 0;
        let mut context = MaybeUninit::zeroed();
        // SAFETY: the context is filled by the call, the configuration only read. A context that failed to be made
        // needs no destruction, so it is not wrapped before the check.
        let status = unsafe {
            raw::aom_codec_enc_init_ver(
                context.as_mut_ptr(),
                raw::aom_codec_av1_cx(),
                &raw const config,
                0,
                raw::AOM_ENCODER_ABI_VERSION as c_int,
            )
        };
        check(status, "the encoder does not start")?;
        // SAFETY: initialised by the successful call above.
        let mut encoder = Self(unsafe { context.assume_init() });
        encoder.control(raw::AOME_SET_CPUUSED, c_int::from(settings.speed.clamp(5, 9)))?;
        encoder.control(raw::AOME_SET_CQ_LEVEL, c_int::from(settings.quantizer.min(63)))?;
        encoder.control(raw::AOME_SET_TUNING, raw::AOM_TUNE_SSIM as c_int)?;
        encoder.control(raw::AV1E_SET_COLOR_RANGE, raw::AOM_CR_FULL_RANGE as c_int)?;
        encoder.control(raw::AV1E_SET_MATRIX_COEFFICIENTS, MATRIX_BT601)?;
        encoder.control(raw::AV1E_SET_COLOR_PRIMARIES, PRIMARIES_SRGB)?;
        encoder.control(raw::AV1E_SET_TRANSFER_CHARACTERISTICS, TRANSFER_SRGB)?;
        Ok(encoder)
    }

    fn control(&mut self, id: raw::aome_enc_control_id, value: c_int) -> Result<(), AomError> {
        // SAFETY: the context is alive, and every control used here takes one int.
        let status = unsafe { raw::aom_codec_control(&raw mut self.0, id as c_int, value) };
        check(status, "a setting is refused")
    }

    fn push(&mut self, image: *const raw::aom_image_t) -> Result<(), AomError> {
        // SAFETY: the context is alive; `image` is null or describes planes that outlive the call and are only read.
        let status = unsafe { raw::aom_codec_encode(&raw mut self.0, image, 0, 1, 0) };
        check(status, "the picture is not encoded")
    }

    fn drain_into(&mut self, stream: &mut Vec<u8>) {
        let mut position = null();
        loop {
            // SAFETY: the context is alive; the packet stays valid until the next call on it and is copied at once.
            let packet = unsafe { raw::aom_codec_get_cx_data(&raw mut self.0, &raw mut position) };
            if packet.is_null() {
                return;
            }
            // SAFETY: not null, so a packet of the library; the union is read as a frame only where its kind says so.
            let bytes = unsafe {
                if (*packet).kind != raw::AOM_CODEC_CX_FRAME_PKT {
                    continue;
                }
                let frame = (*packet).data.frame;
                std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz)
            };
            stream.extend_from_slice(bytes);
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the context was initialised and is destroyed once. The status says only that it was none.
        unsafe { raw::aom_codec_destroy(&raw mut self.0) };
    }
}

fn default_config() -> Result<raw::aom_codec_enc_cfg_t, AomError> {
    let mut config = MaybeUninit::zeroed();
    // SAFETY: the library fills the whole struct.
    let status = unsafe {
        raw::aom_codec_enc_config_default(raw::aom_codec_av1_cx(), config.as_mut_ptr(), raw::AOM_USAGE_ALL_INTRA)
    };
    check(status, "no default configuration")?;
    // SAFETY: filled by the successful call above.
    Ok(unsafe { config.assume_init() })
}

/// The library's description of the planes, which it does not own.
fn describe(planes: &Planes, subsampling: Subsampling) -> Result<raw::aom_image_t, AomError> {
    let shift = c_uint::from(subsampling != Subsampling::Full);
    let stride = |plane: &Plane| c_int::try_from(plane.width).map_err(|_| AomError("a row too long"));
    // SAFETY: a plain struct of integers, enums with a zero and pointers, for all of which zero is valid.
    let mut image: raw::aom_image_t = unsafe { MaybeUninit::zeroed().assume_init() };
    image.fmt = if shift == 1 { raw::AOM_IMG_FMT_I420 } else { raw::AOM_IMG_FMT_I444 };
    image.range = raw::AOM_CR_FULL_RANGE;
    image.monochrome = c_int::from(subsampling == Subsampling::Gray);
    (image.w, image.h) = (planes.width, planes.height);
    (image.d_w, image.d_h) = (planes.width, planes.height);
    image.bit_depth = 8;
    image.bps = if shift == 1 { 12 } else { 24 };
    (image.x_chroma_shift, image.y_chroma_shift) = (shift, shift);
    image.planes = [planes.luma.samples.as_ptr().cast_mut(), null_mut(), null_mut()];
    image.stride[0] = stride(&planes.luma)?;
    if let Some([cb, cr]) = &planes.chroma {
        image.planes[1] = cb.samples.as_ptr().cast_mut();
        image.planes[2] = cr.samples.as_ptr().cast_mut();
        image.stride[1] = stride(cb)?;
        image.stride[2] = stride(cr)?;
    }
    Ok(image)
}

fn check(status: raw::aom_codec_err_t, message: &'static str) -> Result<(), AomError> {
    if status == raw::AOM_CODEC_OK { Ok(()) } else { Err(AomError(message)) }
}

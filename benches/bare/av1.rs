use std::mem::MaybeUninit;
use std::ptr::null;

use libaom_sys as raw;

use super::jpeg::{Planes, even, half};

/// One key frame of 4:2:0 planes.
pub(super) fn encode(planes: &Planes, quantizer: u8, speed: u8) -> Vec<u8> {
    let mut context = start(planes.size, quantizer, speed);
    let image = describe(planes);
    let mut stream = Vec::new();
    for image in [&raw const image, null()] {
        // SAFETY: the context is alive; the image is null or describes planes that outlive the call.
        let status = unsafe { raw::aom_codec_encode(&raw mut context, image, 0, 1, 0) };
        assert_eq!(status, raw::AOM_CODEC_OK);
        drain(&mut context, &mut stream);
    }
    // SAFETY: alive until here, and not used afterwards.
    unsafe { raw::aom_codec_destroy(&raw mut context) };
    stream
}

fn start((width, height): (u32, u32), quantizer: u8, speed: u8) -> raw::aom_codec_ctx_t {
    let (mut config, mut context) = (MaybeUninit::zeroed(), MaybeUninit::zeroed());
    // SAFETY: the library fills the configuration and then the context, as both statuses say.
    unsafe {
        let encoder = raw::aom_codec_av1_cx();
        let status = raw::aom_codec_enc_config_default(encoder, config.as_mut_ptr(), raw::AOM_USAGE_ALL_INTRA);
        assert_eq!(status, raw::AOM_CODEC_OK);
        let mut config: raw::aom_codec_enc_cfg_t = config.assume_init();
        (config.g_w, config.g_h, config.g_threads, config.g_limit) = (width, height, 1, 1);
        (config.g_lag_in_frames, config.rc_end_usage) = (0, raw::AOM_Q);
        (config.rc_min_quantizer, config.rc_max_quantizer) = (0, 63);
        let version = raw::AOM_ENCODER_ABI_VERSION as i32;
        let status = raw::aom_codec_enc_init_ver(context.as_mut_ptr(), encoder, &raw const config, 0, version);
        assert_eq!(status, raw::AOM_CODEC_OK);
        let mut context = context.assume_init();
        for (control, value) in [
            (raw::AOME_SET_CPUUSED, i32::from(speed)),
            (raw::AOME_SET_CQ_LEVEL, i32::from(quantizer)),
            (raw::AOME_SET_TUNING, raw::AOM_TUNE_SSIM as i32),
            (raw::AV1E_SET_COLOR_RANGE, raw::AOM_CR_FULL_RANGE as i32),
        ] {
            assert_eq!(raw::aom_codec_control(&raw mut context, control as i32, value), raw::AOM_CODEC_OK);
        }
        context
    }
}

fn describe(planes: &Planes) -> raw::aom_image_t {
    // SAFETY: a plain struct of integers, enums with a zero and pointers, for all of which zero is valid.
    let mut image: raw::aom_image_t = unsafe { MaybeUninit::zeroed().assume_init() };
    let ((width, height), chroma_stride) = (planes.size, half(planes.size).0 as i32);
    (image.fmt, image.range, image.bit_depth, image.bps) = (raw::AOM_IMG_FMT_I420, raw::AOM_CR_FULL_RANGE, 8, 12);
    (image.w, image.h, image.d_w, image.d_h) = (width, height, width, height);
    (image.x_chroma_shift, image.y_chroma_shift) = (1, 1);
    for (pointer, samples) in image.planes.iter_mut().zip(&planes.samples) {
        *pointer = samples.as_ptr().cast_mut();
    }
    image.stride = [even(planes.size).0 as i32, chroma_stride, chroma_stride];
    image
}

fn drain(context: &mut raw::aom_codec_ctx_t, stream: &mut Vec<u8>) {
    let mut position = null();
    loop {
        // SAFETY: the context is alive; a packet is valid until the next call on it and is copied before; its union is
        // a frame where its kind says so.
        unsafe {
            let packet = raw::aom_codec_get_cx_data(context, &raw mut position);
            if packet.is_null() {
                return;
            }
            if (*packet).kind == raw::AOM_CODEC_CX_FRAME_PKT {
                let frame = (*packet).data.frame;
                stream.extend_from_slice(std::slice::from_raw_parts(frame.buf.cast(), frame.sz));
            }
        }
    }
}

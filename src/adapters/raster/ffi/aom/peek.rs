use libaom_sys as raw;

/// Width and height that the sequence header of an AV1 stream announces; `None` where it cannot be read.
pub(in crate::adapters::raster) fn stream_size(stream: &[u8]) -> Option<(u32, u32)> {
    let mut info = raw::aom_codec_stream_info {
        w: 0,
        h: 0,
        is_kf: 0,
        number_spatial_layers: 0,
        number_temporal_layers: 0,
        is_annexb: 0,
    };
    // SAFETY: pointer and length are those of one live slice that is only read; `info` is a plain struct.
    let status = unsafe {
        raw::aom_codec_peek_stream_info(raw::aom_codec_av1_dx(), stream.as_ptr(), stream.len(), &raw mut info)
    };
    (status == raw::AOM_CODEC_OK && info.w > 0 && info.h > 0).then_some((info.w, info.h))
}

use std::ptr::null_mut;

use libwebp_sys as raw;

use super::jpeg::{Planes, even, half};

/// libwebp's own one-call encoder, which has the engine's default effort.
pub(super) fn encode_rgb((width, height): (u32, u32), rgb: &[u8], quality: u8) -> Vec<u8> {
    assert_eq!(rgb.len(), width as usize * height as usize * 3);
    let mut file = null_mut();
    let stride = width as i32 * 3;
    // SAFETY: the samples were checked to fill the size; the library writes the address of a buffer of its own.
    let length = unsafe {
        raw::WebPEncodeRGB(rgb.as_ptr(), width as i32, height as i32, stride, f32::from(quality), &raw mut file)
    };
    assert!(length > 0, "libwebp failed");
    // SAFETY: the library says that so many bytes are there; they are copied and the buffer is freed once.
    unsafe {
        let copy = std::slice::from_raw_parts(file, length).to_vec();
        raw::WebPFree(file.cast());
        copy
    }
}

/// From planes, whose full range is narrowed as libwebp wants it.
pub(super) fn encode_planes(planes: &Planes, quality: u8) -> Vec<u8> {
    let config = raw::WebPConfig::new_with_preset(raw::WebPPreset::WEBP_PRESET_DEFAULT, f32::from(quality));
    let config = config.expect("the library is the one that was built against");
    let mut picture = raw::WebPPicture::new().expect("the library is the one that was built against");
    (picture.width, picture.height) = (planes.size.0 as i32, planes.size.1 as i32);
    // SAFETY: made by the library, with its size set.
    assert_ne!(unsafe { raw::WebPPictureAlloc(&raw mut picture) }, 0, "no memory");
    let luma: [u8; 256] = std::array::from_fn(|level| (16 + (level * 219 + 127) / 255) as u8);
    let chroma: [u8; 256] = std::array::from_fn(|level| (16 + (level * 224 + 127) / 255) as u8);
    let [y, u, v] = &planes.samples;
    let (luma_size, chroma_size) = ((even(planes.size).0, planes.size.1), half(planes.size));
    let targets = [
        (y, luma_size, planes.size.0, picture.y, picture.y_stride, &luma),
        (u, chroma_size, chroma_size.0, picture.u, picture.uv_stride, &chroma),
        (v, chroma_size, chroma_size.0, picture.v, picture.uv_stride, &chroma),
    ];
    for (source, (stride, rows), width, target, target_stride, levels) in targets {
        for (index, row) in source.chunks_exact(stride as usize).take(rows as usize).enumerate() {
            let begin = index * target_stride as usize;
            // SAFETY: the library allocated the plane for this size, with at least `width` samples in each row.
            let target = unsafe { std::slice::from_raw_parts_mut(target.add(begin), width as usize) };
            target.iter_mut().zip(row).for_each(|(target, sample)| *target = levels[usize::from(*sample)]);
        }
    }
    write(&config, picture)
}

fn write(config: &raw::WebPConfig, mut picture: raw::WebPPicture) -> Vec<u8> {
    // SAFETY: the writer is initialised by the library before it is used and cleared once after; it and the picture
    // outlive the call that encodes.
    unsafe {
        let mut writer = std::mem::zeroed::<raw::WebPMemoryWriter>();
        raw::WebPMemoryWriterInit(&raw mut writer);
        picture.writer = Some(raw::WebPMemoryWrite);
        picture.custom_ptr = (&raw mut writer).cast();
        let done = raw::WebPEncode(config, &raw mut picture);
        raw::WebPPictureFree(&raw mut picture);
        assert_ne!(done, 0, "libwebp failed");
        let copy = std::slice::from_raw_parts(writer.mem, writer.size).to_vec();
        raw::WebPMemoryWriterClear(&raw mut writer);
        copy
    }
}

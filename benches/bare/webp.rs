use libwebp_sys as raw;

use super::jpeg::{Planes, even, half};

/// What is asked of libwebp.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// 1 to 100.
    pub(crate) quality: u8,
    /// 0 (fast) to 6 (small).
    pub(crate) method: u8,
}

impl Effort {
    fn config(self) -> raw::WebPConfig {
        let preset = raw::WebPPreset::WEBP_PRESET_DEFAULT;
        let config = raw::WebPConfig::new_with_preset(preset, f32::from(self.quality));
        let mut config = config.expect("the library is the one that was built against");
        config.method = i32::from(self.method);
        config
    }
}

/// From interleaved samples, which libwebp turns into planes itself.
pub(super) fn encode_rgb((width, height): (u32, u32), rgb: &[u8], effort: Effort) -> Vec<u8> {
    assert_eq!(rgb.len(), width as usize * height as usize * 3);
    let mut picture = raw::WebPPicture::new().expect("the library is the one that was built against");
    (picture.width, picture.height) = (width as i32, height as i32);
    // SAFETY: the samples were checked to fill the size; the picture was made by the library.
    let imported = unsafe { raw::WebPPictureImportRGB(&raw mut picture, rgb.as_ptr(), width as i32 * 3) };
    assert_ne!(imported, 0, "no memory");
    write(&effort.config(), picture)
}

/// From planes, whose full range is narrowed as libwebp wants it.
pub(super) fn encode_planes(planes: &Planes, effort: Effort) -> Vec<u8> {
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
    write(&effort.config(), picture)
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

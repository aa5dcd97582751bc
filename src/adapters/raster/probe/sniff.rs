//! The format by its first bytes. What cannot be read is named, so that the requester knows what was found.

use mortar_actors::Fault;

use super::{SourceFormat, corrupt, unsupported};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) fn sniff(source: &[u8]) -> Result<SourceFormat, Fault> {
    match source {
        [] => Err(corrupt("the source is empty")),
        [0xFF, 0xD8, 0xFF, ..] => Ok(SourceFormat::Jpeg),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(SourceFormat::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(SourceFormat::Webp),
        [b'I', b'I', 0x2A, 0, ..] | [b'M', b'M', 0, 0x2A, ..] => Ok(SourceFormat::Tiff),
        [b'B', b'M', ..] => Ok(SourceFormat::Bmp),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => brand(source),
        _ if source.starts_with(PNG) => Ok(SourceFormat::Png),
        _ => Err(unsupported(name_unknown(source))),
    }
}

/// AVIF and HEIC share one container; its brands tell them apart.
fn brand(source: &[u8]) -> Result<SourceFormat, Fault> {
    let length = source.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let brands = source.get(8..length.min(source.len())).unwrap_or_default();
    // The second word is a version, not a brand; it is never spelled like one.
    let has = |name: &[u8; 4]| brands.as_chunks::<4>().0.contains(name);
    if has(b"avif") || has(b"avis") {
        return Ok(SourceFormat::Avif);
    }
    if [b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"].into_iter().any(has) {
        return Err(unsupported("the source is a HEIC picture, which is not supported"));
    }
    Err(unsupported("the source is a video or another MP4-like file, which is not supported"))
}

fn name_unknown(source: &[u8]) -> &'static str {
    match source {
        [0xFF, 0x0A, ..] | [0, 0, 0, 0x0C, b'J', b'X', b'L', b' ', ..] => {
            "the source is a JPEG XL picture, which is not supported"
        }
        [0, 0, 0, 0x0C, b'j', b'P', ..] => "the source is a JPEG 2000 picture, which is not supported",
        [b'I', b'I', 0x2B, 0, ..] | [b'M', b'M', 0, 0x2B, ..] => {
            "the source is a BigTIFF picture, which is not supported"
        }
        [b'8', b'B', b'P', b'S', ..] => "the source is a Photoshop document, which is not supported",
        [0, 0, 1, 0, ..] => "the source is an icon file, which is not supported",
        _ if source.starts_with(b"%PDF") => "the source is a PDF document, which is not supported",
        _ if looks_like_svg(source) => "the source is an SVG drawing, which is not supported",
        _ if looks_like_text(source) => "the source is text, not a picture",
        _ => "the source is not a picture of a known format",
    }
}

fn looks_like_svg(source: &[u8]) -> bool {
    let head = &source[..source.len().min(1024)];
    head.windows(4).any(|window| window == b"<svg")
}

fn looks_like_text(source: &[u8]) -> bool {
    let head = &source[..source.len().min(512)];
    head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "empty"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video"),
            (b"\xFF\x0A\xFA\x1F", "JPEG XL"),
            (b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"),
            (b"%PDF-1.7", "PDF"),
            (b"<html><body>not found</body></html>", "text"),
            (b"\x00\x01\x02\x03", "not a picture"),
        ];
        for (source, named) in cases {
            let fault = sniff(source).unwrap_err();
            assert!(fault.message().contains(named), "{}", fault.message());
        }
    }

    #[test]
    fn brands_tell_avif_from_its_relatives() {
        assert_eq!(sniff(b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf").unwrap(), SourceFormat::Avif);
        assert_eq!(sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif").unwrap(), SourceFormat::Avif);
    }
}

//! Pictures with what encoders rarely write: orientations, profiles, four inks, 16 bits, frames.

use std::io::Cursor;

use image::{Rgba, RgbaImage};

use super::png;

/// A JPEG with an EXIF segment that holds nothing but an orientation (1 to 8).
pub fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    with_segment(jpeg, 0xE1, &exif)
}

/// A JPEG with a colour profile.
pub fn with_profile(jpeg: &[u8], profile: &[u8]) -> Vec<u8> {
    let segment = [b"ICC_PROFILE\0\x01\x01".as_slice(), profile].concat();
    with_segment(jpeg, 0xE2, &segment)
}

/// A JPEG with one more segment behind its start.
pub fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, marker], &length, content, &jpeg[2..]].concat()
}

/// Whether a JPEG has a segment of that marker before its picture.
pub fn has_segment(jpeg: &[u8], marker: u8) -> bool {
    let mut at = 2;
    while jpeg[at] == 0xFF && jpeg[at + 1] != 0xDA {
        if jpeg[at + 1] == marker {
            return true;
        }
        at += 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
    }
    false
}

/// A JPEG of one colour in four inks, as printing programs write it: inverted, with an Adobe segment.
pub fn cmyk_jpeg(width: usize, height: usize, inks: [u8; 4]) -> Vec<u8> {
    let inverted = inks.map(|ink| 255 - ink);
    let pixels: Vec<u8> = std::iter::repeat_n(inverted, width * height).flatten().collect();
    let image = turbojpeg::Image {
        pixels: pixels.as_slice(),
        width,
        height,
        pitch: width * 4,
        format: turbojpeg::PixelFormat::CMYK,
    };
    turbojpeg::compress(image, 95, turbojpeg::Subsamp::None).unwrap().to_vec()
}

/// A 16-bit PNG whose samples count upwards from left to right in steps that eight bits cannot tell apart.
pub fn deep_png(width: u32, height: u32) -> Vec<u8> {
    let picture = image::ImageBuffer::from_fn(width, height, |x, _| {
        image::Rgb([x as u16 * 16, 30_000 + x as u16 * 16, 65_000 - x as u16 * 16])
    });
    png(&image::DynamicImage::ImageRgb16(picture))
}

/// A GIF of one frame in each of these colours, each shown for 100 ms.
pub fn gif(width: u32, height: u32, colours: &[[u8; 3]]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    encoder.set_repeat(image::codecs::gif::Repeat::Infinite).unwrap();
    for [red, green, blue] in colours {
        let frame = RgbaImage::from_pixel(width, height, Rgba([*red, *green, *blue, 255]));
        let delay = image::Delay::from_numer_denom_ms(100, 1);
        encoder.encode_frame(image::Frame::from_parts(frame, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    bytes.into_inner()
}

/// A PNG of one colour.
pub fn plain_png(width: u32, height: u32, colour: [u8; 4]) -> Vec<u8> {
    png(&RgbaImage::from_pixel(width, height, Rgba(colour)).into())
}

/// The head of a PNG that promises so many pixels, and hardly any data.
pub fn promising_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = plain_png(1, 1, [0, 0, 0, 255]);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The checksum of PNG chunks.
fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { 0xEDB8_8320 ^ (sum >> 1) } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

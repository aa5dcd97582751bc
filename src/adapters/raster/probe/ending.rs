//! Whether a file has its end. What a store or a power failure cut off still begins as a picture.

use super::{SourceFormat, avif, gif};

/// The chunk `IEND`: no content, and the checksum of that.
const PNG_END: &[u8] = b"\0\0\0\0IEND\xAE\x42\x60\x82";
/// The marker EOI. Inside of the picture's data, 0xFF is followed by something else.
const JPEG_END: &[u8] = b"\xFF\xD9";
/// What the length in a RIFF header does not count: the header itself.
const RIFF_HEADER: usize = 8;

/// Whether a file of this format, as this service writes them, is there to its last byte. `true` for the formats that it
/// does not write: not all of them have an end that could be known.
pub(super) fn has_end(file: &[u8], format: SourceFormat) -> bool {
    match format {
        SourceFormat::Jpeg => file.ends_with(JPEG_END),
        SourceFormat::Png => file.ends_with(PNG_END),
        SourceFormat::Gif => gif::is_whole(file),
        SourceFormat::Webp => riff_length(file).is_some_and(|length| length == file.len()),
        SourceFormat::Avif => avif::is_whole(file),
        SourceFormat::Tiff | SourceFormat::Bmp => true,
    }
}

fn riff_length(file: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*file.get(4..)?.first_chunk()?);
    usize::try_from(length).ok()?.checked_add(RIFF_HEADER)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mortar_actors::{Deadline, StopFlag};

    use crate::adapters::raster::encode::{EncodeSettings, encode};
    use crate::adapters::raster::pixels::{Layout, Picture, Pixels, Samples};
    use crate::adapters::raster::probe::probe_whole;
    use crate::domain::plan::Format;

    fn encoded(layout: Layout, format: Format, interlace: bool) -> Vec<u8> {
        let (width, height) = (63, 48);
        let samples =
            (0..width * height * layout.channels() as u32).map(|index| ((index * index) >> 7) as u8).collect();
        let picture = Picture { width, height, layout, samples: Samples::U8(samples) };
        let settings = EncodeSettings {
            format,
            quality: 80,
            interlace,
            exif: None,
            webp_method: 4,
            avif_speed: 8,
            png_compression: 6,
        };
        let stop = StopFlag::new(Deadline::within(Duration::from_secs(600)));
        encode(&Pixels::Picture(picture), &settings, &stop).unwrap().to_vec()
    }

    #[test]
    fn every_result_has_its_end_and_none_that_is_cut_off() {
        for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif, Format::Gif] {
            for (layout, interlace) in [(Layout::Rgb, false), (Layout::Rgba, true), (Layout::Gray, true)] {
                let file = encoded(layout, format, interlace);
                probe_whole(&file).unwrap();
                for length in 0..file.len() {
                    assert!(probe_whole(&file[..length]).is_err(), "{format:?} {layout:?}, {length} of {}", file.len());
                }
            }
        }
    }
}

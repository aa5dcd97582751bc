use super::*;
use crate::adapters::raster::decode::{Want, decode};
use crate::adapters::raster::drawn::{LIMITS, never, picture, psnr, settings};
use crate::adapters::raster::ffi::turbo::picture_to_planes;
use crate::adapters::raster::pixels::{Layout, Picture, Samples, Subsampling};
use crate::adapters::raster::probe::probe;

const FORMATS: [Format; 5] = [Format::Jpeg, Format::Png, Format::Webp, Format::Avif, Format::Gif];

fn drawn(layout: Layout) -> Pixels {
    Pixels::Picture(picture(40, 30, layout))
}

#[test]
fn equal_input_gives_equal_bytes() {
    for format in FORMATS {
        let once = encode(&drawn(Layout::Rgba), &settings(format), &never()).unwrap();
        let twice = encode(&drawn(Layout::Rgba), &settings(format), &never()).unwrap();
        assert_eq!(once, twice, "{format:?}");
    }
}

#[test]
fn more_quality_takes_more_bytes() {
    for format in [Format::Jpeg, Format::Webp, Format::Avif] {
        let size = |quality| {
            encode(&drawn(Layout::Rgb), &EncodeSettings { quality, ..settings(format) }, &never()).unwrap().len()
        };
        assert!(size(30) < size(60) && size(60) < size(95), "{format:?}");
    }
}

#[test]
fn planes_make_the_same_picture_as_the_rgb_they_stand_for() {
    let drawn = picture(160, 120, Layout::Rgb);
    let Samples::U8(rgb) = &drawn.samples else { panic!("eight bits are drawn") };
    for format in [Format::Jpeg, Format::Webp, Format::Avif] {
        for subsampling in [Subsampling::Quarter, Subsampling::Full, Subsampling::HalfWidth, Subsampling::HalfHeight] {
            let planes = Pixels::Planes(picture_to_planes((160, 120), rgb, subsampling).unwrap());
            let file = encode(&planes, &settings(format), &never()).unwrap();
            let decoded = decode(&file, &probe(&file).unwrap(), &Want::default(), &LIMITS).unwrap();
            let Pixels::Picture(after) = decoded.pixels else { panic!("planes were not asked for") };
            let alike = psnr(&drawn, &after);
            assert!(alike > 29.0, "{format:?} {subsampling:?}: {alike}");
        }
    }
}

#[test]
fn a_raised_flag_ends_the_work() {
    let stop = never();
    stop.raise();
    for format in FORMATS {
        let fault = encode(&drawn(Layout::Rgb), &settings(format), &stop).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Cancelled);
    }
}

#[test]
fn what_a_format_cannot_express_is_refused_by_name() {
    let wide = |width: u32| {
        let samples = Samples::U8(vec![0; width as usize]);
        Pixels::Picture(Picture { width, height: 1, layout: Layout::Gray, samples })
    };
    for (format, width) in
        [(Format::Jpeg, 65_501), (Format::Webp, 16_384), (Format::Gif, 65_536), (Format::Avif, 65_537)]
    {
        let fault = encode(&wide(width), &settings(format), &never()).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Invalid);
        assert!(fault.message().contains(&(width - 1).to_string()), "{}", fault.message());
    }
}

#[test]
fn files_begin_as_their_formats_do() {
    for (format, start) in [
        (Format::Jpeg, b"\xFF\xD8\xFF".as_slice()),
        (Format::Png, b"\x89PNG"),
        (Format::Webp, b"RIFF"),
        (Format::Gif, b"GIF89a"),
    ] {
        assert!(encode(&drawn(Layout::Rgb), &settings(format), &never()).unwrap().starts_with(start));
    }
}

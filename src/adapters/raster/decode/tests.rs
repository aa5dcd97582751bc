mod color;
mod hostile;
mod jpeg;

use super::*;
use crate::adapters::raster::drawn::{LIMITS, deep_picture, never, picture, psnr, settings};
use crate::adapters::raster::encode::{EncodeSettings, encode};
use crate::adapters::raster::metadata::{Exif, Orientation, tests::exif_block};
use crate::adapters::raster::pixels::{Layout, Picture, Samples};
use crate::adapters::raster::probe::probe;
use crate::domain::plan::Format;

const LAYOUTS: [Layout; 4] = [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba];

fn written(picture: &Picture, settings: &EncodeSettings) -> Vec<u8> {
    encode(&Pixels::Picture(picture.clone()), settings, &never()).unwrap().to_vec()
}

fn read(file: &[u8], want: &Want) -> Result<Decoded, Fault> {
    decode(file, &probe(file)?, want, &LIMITS)
}

fn picture_of(decoded: Decoded) -> Picture {
    match decoded.pixels {
        Pixels::Picture(picture) => picture,
        Pixels::Planes(_) => panic!("planes were not asked for"),
    }
}

fn reread(file: &[u8]) -> Picture {
    picture_of(read(file, &Want::default()).unwrap())
}

#[test]
fn png_keeps_every_sample_of_every_layout_and_depth() {
    for layout in LAYOUTS {
        for before in [picture(31, 17, layout), deep_picture(31, 17, layout)] {
            assert_eq!(reread(&written(&before, &settings(Format::Png))), before);
        }
    }
}

#[test]
fn webp_looks_the_same_with_and_without_alpha() {
    for layout in [Layout::Rgb, Layout::Rgba] {
        let before = picture(160, 120, layout);
        let after = reread(&written(&before, &settings(Format::Webp)));
        assert!(psnr(&before, &after) > 30.0, "{layout:?}: {}", psnr(&before, &after));
    }
}

#[test]
fn avif_looks_the_same_in_every_layout_and_at_odd_sizes() {
    for layout in LAYOUTS {
        for quality in [80, 95] {
            let before = picture(167, 123, layout);
            let after = reread(&written(&before, &EncodeSettings { quality, ..settings(Format::Avif) }));
            assert!(psnr(&before, &after) > 29.0, "{layout:?} {quality}: {}", psnr(&before, &after));
        }
    }
}

#[test]
fn gif_keeps_a_few_colours_exactly_and_transparency() {
    let samples = (0..=255_u8).flat_map(|i| if i % 3 == 0 { [0; 4] } else { [200, i % 5 * 40, 30, 255] });
    let samples = Samples::U8(samples.collect());
    let before = Picture { width: 16, height: 16, layout: Layout::Rgba, samples };
    assert_eq!(reread(&written(&before, &settings(Format::Gif))), before);
}

#[test]
fn tiff_and_bmp_are_read_exactly() {
    let before = picture(31, 17, Layout::Rgb);
    let Samples::U8(samples) = &before.samples else { panic!("eight bits are drawn") };
    for format in [image::ImageFormat::Tiff, image::ImageFormat::Bmp] {
        let mut file = std::io::Cursor::new(Vec::new());
        image::write_buffer_with_format(&mut file, samples, 31, 17, image::ColorType::Rgb8, format).unwrap();
        let file = file.into_inner();
        let header = probe(&file).unwrap();
        assert_eq!((header.width, header.height, header.bit_depth), (31, 17, 8));
        assert_eq!(reread(&file), before, "{format:?}");
    }
}

#[test]
fn webp_shrinks_while_decoding_but_never_below_what_is_wanted() {
    let file = written(&picture(120, 90, Layout::Rgb), &settings(Format::Webp));
    for (at_least, size) in [((40, 30), (40, 30)), ((41, 30), (60, 45)), ((61, 1), (120, 90)), ((500, 500), (120, 90))]
    {
        let want = Want { at_least: Some(at_least), ..Want::default() };
        assert_eq!(read(&file, &want).unwrap().pixels.size(), size, "{at_least:?}");
    }
}

#[test]
fn headers_tell_size_alpha_and_depth_before_anything_is_decoded() {
    for (format, name) in [
        (Format::Png, SourceFormat::Png),
        (Format::Webp, SourceFormat::Webp),
        (Format::Avif, SourceFormat::Avif),
        (Format::Gif, SourceFormat::Gif),
    ] {
        let header = probe(&written(&picture(50, 40, Layout::Rgba), &settings(format))).unwrap();
        assert_eq!((header.format, header.width, header.height, header.frames), (name, 50, 40, 1));
        assert!(header.has_alpha, "{format:?}");
    }
    let deep = probe(&written(&deep_picture(9, 9, Layout::Rgb), &settings(Format::Png))).unwrap();
    assert_eq!((deep.bit_depth, deep.has_alpha), (16, false));
}

#[test]
fn exif_survives_in_every_format_that_has_a_place_for_it() {
    let exif = Exif::upright(&exif_block(6)).unwrap();
    for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif] {
        for layout in [Layout::Rgb, Layout::Rgba] {
            let settings = EncodeSettings { exif: Some(exif.clone()), ..settings(format) };
            let file = written(&picture(33, 32, layout), &settings);
            assert_eq!(probe(&file).unwrap().orientation, Orientation::Upright);
            let found = read(&file, &Want { exif: true, ..Want::default() }).unwrap();
            assert_eq!(found.exif.as_ref(), Some(&exif), "{format:?}");
            assert_eq!(found.pixels.size(), (33, 32));
            assert_eq!(read(&file, &Want::default()).unwrap().exif, None, "it comes only when wanted");
        }
    }
}

#[test]
fn what_has_more_pixels_than_allowed_is_refused_before_decoding() {
    for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif, Format::Gif] {
        let file = written(&picture(50, 40, Layout::Rgb), &settings(format));
        let limits = DecodeLimits { pixels: 1999, frames: 1 };
        let fault = decode(&file, &probe(&file).unwrap(), &Want::default(), &limits).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unprocessable);
        assert!(fault.message().contains("more pixels"), "{}", fault.message());
    }
}

use super::*;
use crate::adapters::raster::color::planes_to_picture;
use crate::adapters::raster::pixels::{Planes, Subsampling};

fn jpeg(quality: u8) -> EncodeSettings {
    EncodeSettings { quality, ..settings(Format::Jpeg) }
}

fn planes_of(file: &[u8]) -> Planes {
    match read(file, &Want { planes: true, ..Want::default() }).unwrap().pixels {
        Pixels::Planes(planes) => planes,
        Pixels::Picture(_) => panic!("planes were there to be had"),
    }
}

#[test]
fn pictures_look_the_same_baseline_and_progressive() {
    let before = picture(96, 64, Layout::Rgb);
    for interlace in [false, true] {
        let file = written(&before, &EncodeSettings { interlace, ..jpeg(95) });
        assert_eq!(probe(&file).unwrap().progressive, interlace);
        assert!(psnr(&before, &reread(&file)) > 36.0);
    }
}

#[test]
fn planes_show_the_same_picture_as_rgb_at_odd_sizes_and_both_subsamplings() {
    for (quality, subsampling) in [(85, Subsampling::Quarter), (95, Subsampling::Full)] {
        for (width, height) in [(33, 17), (64, 48), (1, 1), (7, 2)] {
            let file = written(&picture(width, height, Layout::Rgb), &jpeg(quality));
            let planes = planes_of(&file);
            assert_eq!((planes.width, planes.height), (width, height));
            if width > 2 {
                assert_eq!(planes.subsampling(), Some(subsampling));
            }
            let by_planes = planes_to_picture(&planes).unwrap();
            assert!(psnr(&by_planes, &reread(&file)) > 34.0, "{width}x{height}: {}", psnr(&by_planes, &reread(&file)));
        }
    }
}

#[test]
fn planes_go_back_into_a_jpeg_without_visible_loss() {
    for (width, height) in [(65, 33), (64, 64)] {
        let before = picture(width, height, Layout::Rgb);
        let planes = planes_of(&written(&before, &jpeg(92)));
        let again = encode(&Pixels::Planes(planes), &jpeg(92), &never()).unwrap();
        assert!(psnr(&before, &reread(&again)) > 32.0);
    }
}

#[test]
fn grey_stays_grey() {
    let before = picture(40, 30, Layout::Gray);
    let file = written(&before, &jpeg(95));
    let after = reread(&file);
    assert_eq!(after.layout, Layout::Gray);
    assert!(psnr(&before, &after) > 36.0);
}

#[test]
fn the_dct_shrinks_but_never_below_what_is_wanted() {
    let file = written(&picture(404, 303, Layout::Rgb), &jpeg(90));
    for (at_least, size) in [
        ((51, 38), (51, 38)),
        ((52, 38), (101, 76)),
        ((150, 112), (202, 152)),
        ((203, 1), (404, 303)),
        ((4000, 3000), (404, 303)),
    ] {
        for planes in [false, true] {
            let want = Want { at_least: Some(at_least), planes, ..Want::default() };
            assert_eq!(read(&file, &want).unwrap().pixels.size(), size, "{at_least:?}");
        }
    }
}

#[test]
fn the_orientation_of_exif_is_in_the_header() {
    let file = with_segment(
        &written(&picture(20, 10, Layout::Rgb), &jpeg(85)),
        0xE1,
        &[b"Exif\0\0".as_slice(), &exif_block(6)],
    );
    let header = probe(&file).unwrap();
    assert_eq!(header.orientation, Orientation::Quarter);
    assert_eq!((header.width, header.height), (20, 10));
    assert_eq!(header.displayed_size(), (10, 20));
}

#[test]
fn what_jpeg_can_do_and_nobody_needs_is_refused_by_name() {
    let frame = |marker: u8, bits: u8| {
        let mut file = vec![0xFF, 0xD8, 0xFF, marker, 0, 17, bits, 0, 8, 0, 8, 3];
        file.extend([0; 9]);
        file
    };
    let message = |file: Vec<u8>| probe(&file).unwrap_err().message().to_owned();
    assert!(message(frame(0xC1, 12)).contains("8 bits"));
    assert!(message(frame(0xC3, 8)).contains("lossless"));
    assert!(probe(&frame(0xC0, 8)).is_ok());
}

#[test]
fn cmyk_of_adobe_is_read_with_its_inks_the_right_way_round() {
    // As Adobe stores them: 255 is no ink. White, cyan, black, half magenta.
    let stored = [[255, 255, 255, 255], [0, 255, 255, 255], [255, 255, 255, 0], [255, 128, 255, 255]];
    let pixels: Vec<u8> = (0..16 * 64).flat_map(|i| stored[i % 64 / 16]).collect();
    let image = turbojpeg::Image {
        pixels: pixels.as_slice(),
        width: 64,
        pitch: 256,
        height: 16,
        format: turbojpeg::PixelFormat::CMYK,
    };
    let file = turbojpeg::compress(image, 95, turbojpeg::Subsamp::None).unwrap();
    let after = reread(&file);
    let Samples::U8(samples) = &after.samples else { panic!("JPEG has eight bits") };
    let near = |x: usize, rgb: [u8; 3]| {
        let found = &samples[(8 * 64 + x) * 3..][..3];
        assert!(found.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) < 10), "{x}: {found:?} is not {rgb:?}");
    };
    near(8, [255, 255, 255]);
    near(24, [0, 255, 255]);
    near(40, [0, 0, 0]);
    near(56, [255, 128, 255]);
}

#[test]
fn stray_bytes_are_forgiven_behind_the_picture_and_nowhere_else() {
    for interlace in [false, true] {
        let file = written(&picture(64, 64, Layout::Rgb), &EncodeSettings { interlace, ..jpeg(85) });
        let (body, end) = file.split_at(file.len() - 2);
        let trailing = [body, &[0x12, 0x34, 0x56], end].concat();
        assert_eq!(reread(&trailing), reread(&file));
        let inside = file.len() / 2;
        let broken = [&file[..inside], &[0xFF, 0xD0, 0x34], &body[inside..], &[0x12, 0x34], end].concat();
        assert!(read(&broken, &Want::default()).is_err(), "the last warning must not hide the first");
    }
}

#[test]
fn thousands_of_scans_are_refused() {
    let file = written(&picture(16, 16, Layout::Gray), &EncodeSettings { interlace: true, ..jpeg(85) });
    // The last scan, again and again.
    let last_scan = file.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
    let (head, tail) = file[..file.len() - 2].split_at(last_scan);
    let bomb = [head, &tail.repeat(500), &[0xFF, 0xD9]].concat();
    assert!(read(&bomb, &Want::default()).is_err());
}

/// Puts a segment right behind the start of the file.
pub(super) fn with_segment(file: &[u8], marker: u8, parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    let length = u16::try_from(payload.len() + 2).unwrap().to_be_bytes();
    [&file[..2], &[0xFF, marker], &length, &payload, &file[2..]].concat()
}

use super::*;
use crate::adapters::raster::animation;
use crate::adapters::raster::color::to_srgb;
use crate::adapters::raster::drawn::with_corruptions;

const WANTS: [Want; 2] =
    [Want { at_least: None, planes: true, exif: true }, Want { at_least: Some((8, 8)), planes: false, exif: false }];

fn files() -> Vec<(Format, Vec<u8>)> {
    let exif = Exif::upright(&exif_block(1));
    let mut files: Vec<_> = [Format::Jpeg, Format::Png, Format::Webp, Format::Avif, Format::Gif]
        .map(|format| {
            let settings = EncodeSettings { exif: exif.clone(), ..settings(format) };
            (format, written(&picture(24, 20, Layout::Rgba), &settings))
        })
        .into();
    let progressive = EncodeSettings { interlace: true, ..settings(Format::Jpeg) };
    files.push((Format::Jpeg, written(&picture(24, 20, Layout::Rgb), &progressive)));
    files
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_never_half_a_picture() {
    for (format, file) in files() {
        let whole = reread(&file);
        for length in 0..file.len() {
            for want in &WANTS {
                match read(&file[..length], want) {
                    Err(fault) => assert_eq!(fault.kind(), FaultKind::Unprocessable),
                    // Some formats end with bytes that say nothing about the picture.
                    Ok(decoded) => {
                        assert_ne!(format, Format::Jpeg, "JPEG needs its end marker: {length} of {}", file.len());
                        if want.at_least.is_none() && !want.planes {
                            assert_eq!(picture_of(decoded), whole, "{format:?} cut at {length}");
                        }
                    }
                }
            }
            if let Ok(decoded) = read(&file[..length], &Want::default()) {
                assert_eq!(picture_of(decoded), whole, "{format:?} cut at {length} of {}", file.len());
            }
        }
    }
}

#[test]
fn a_changed_colour_profile_never_panics() {
    let icc = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    for layout in LAYOUTS {
        let drawn = picture(4, 3, layout);
        with_corruptions(&icc, 500, |broken| {
            let _ = to_srgb(drawn.clone(), &Profile::from_icc(broken));
        });
    }
}

#[test]
fn changed_bytes_never_panic() {
    for (_, file) in files() {
        with_corruptions(&file, 300, |broken| {
            for want in &WANTS {
                let _ = read(broken, want);
            }
            if let Ok(header) = probe(broken) {
                let _ = animation::frames(broken, &header, &LIMITS).map(|frames| frames.take(20).count());
            }
        });
    }
}

#[test]
fn a_gif_frame_larger_than_its_canvas_is_refused_before_room_is_made_for_it() {
    let canvas = [4, 0, 3, 0, 0, 0, 0];
    let gif = |frame: [u8; 4]| {
        let [a, b, c, d] = frame;
        let image = [0x2C, 0, 0, 0, 0, a, b, c, d, 0, 2, 1, 0x2C, 0, 0x3B];
        [&b"GIF89a"[..], &canvas, &image].concat()
    };
    assert!(probe(&gif([4, 0, 3, 0])).is_ok());
    assert_eq!(probe(&gif([0, 0x80, 0, 0x80])).unwrap_err().kind(), FaultKind::Unprocessable);
}

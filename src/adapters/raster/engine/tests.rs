use std::num::NonZeroU32;
use std::time::Duration;

use mortar_actors::{Deadline, FaultKind};

use super::*;
use crate::adapters::raster::decode::{Want, decode};
use crate::adapters::raster::encode::encode;
use crate::adapters::raster::limits::decode_limits;
use crate::adapters::raster::pixels::{Layout, Picture, Pixels, Samples};
use crate::adapters::raster::probe::{SourceFormat, probe, probe_whole};
use crate::domain::plan::{Blur, Crop, Extract, Gravity, Output, Position, Resize, Rotation, Step, Third, Watermark};

const RED: [u8; 3] = [220, 30, 30];
const GREEN: [u8; 3] = [40, 200, 40];
const BLUE: [u8; 3] = [30, 30, 220];
const WHITE: [u8; 3] = [250, 250, 250];

fn limits() -> LimitsConfig {
    LimitsConfig {
        source_bytes: 1 << 20,
        source_pixels: 1_000_000,
        output_side: 2_000,
        output_pixels: 1_000_000,
        frames: 10,
        watermark_bytes: 1 << 20,
        operations: 6,
        render_memory_bytes: 256 << 20,
    }
}

fn engine_with(limits: LimitsConfig) -> RasterEngine {
    let encoding = EncodingConfig {
        jpeg_quality: 90,
        webp_quality: 90,
        webp_method: 2,
        avif_quality: 85,
        avif_speed: 9,
        png_compression: 3,
    };
    RasterEngine::new(limits, encoding)
}

fn stop() -> StopFlag {
    StopFlag::new(Deadline::within(Duration::from_secs(600)))
}

fn side(pixels: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(pixels)
}

fn resized(width: u32, height: u32) -> Step {
    let resize =
        Resize { width: side(width), height: side(height), enlarge: false, preserve_aspect_ratio: false, fill: false };
    Step { resize: Some(resize), ..Step::default() }
}

fn cropped(width: u32, height: u32, gravity: Gravity) -> Step {
    let crop = Crop { width: side(width), height: side(height), gravity, enlarge: false, embed: false };
    Step { crop: Some(crop), ..Step::default() }
}

fn watermarked(position: Position) -> Step {
    let watermark = Watermark { image: "/marks/dot.png".into(), position, opacity_hundredths: 100 };
    Step { watermark: Some(watermark), ..Step::default() }
}

/// Red and green above, blue and white below.
fn quadrants(width: u32, height: u32) -> Picture {
    drawn(width, height, |x, y| match (x < width / 2, y < height / 2) {
        (true, true) => RED,
        (false, true) => GREEN,
        (true, false) => BLUE,
        (false, false) => WHITE,
    })
}

fn drawn(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
    let samples = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| colour(x, y)).collect();
    Picture { width, height, layout: Layout::Rgb, samples: Samples::U8(samples) }
}

fn encoded(picture: Picture, format: Format) -> Bytes {
    let engine = engine_with(limits());
    let plan = Plan { steps: vec![Step::default()], output: Output::default() };
    encode(&Pixels::Picture(picture), &engine.settings(&plan, format, None), &stop()).unwrap()
}

fn job(source: &Bytes, steps: Vec<Step>, format: Option<Format>) -> RenderJob {
    let output = Output { format, ..Output::default() };
    RenderJob { source: source.clone(), plan: Arc::new(Plan { steps, output }), overlays: Vec::new() }
}

fn rendered(source: &Bytes, steps: Vec<Step>, format: Format) -> Picture {
    let rendered = engine_with(limits()).render(job(source, steps, Some(format)), &stop()).unwrap();
    assert_eq!(rendered.format, format);
    let picture = decoded(&rendered.body);
    assert_eq!((rendered.width, rendered.height), (picture.width, picture.height));
    picture
}

fn refused(limits: LimitsConfig, job: RenderJob) -> FaultKind {
    let engine = engine_with(limits);
    let estimated = engine.estimate(&job).unwrap_err().kind();
    let rendered = engine.render(job, &stop()).map(|rendered| rendered.body.len()).unwrap_err().kind();
    assert_eq!(estimated, rendered);
    rendered
}

fn decoded(body: &[u8]) -> Picture {
    let header = probe(body).unwrap();
    match decode(body, &header, &Want::default(), &decode_limits(&limits())).unwrap().pixels {
        Pixels::Picture(picture) => picture,
        Pixels::Planes(_) => panic!("no planes were wanted"),
    }
}

fn pixel(picture: &Picture, x: u32, y: u32) -> Vec<u8> {
    let channels = picture.layout.channels();
    let start = (y * picture.width + x) as usize * channels;
    match &picture.samples {
        Samples::U8(samples) => samples[start..start + channels].to_vec(),
        Samples::U16(samples) => samples[start..start + channels].iter().map(|sample| (sample >> 8) as u8).collect(),
    }
}

fn assert_colour(picture: &Picture, x: u32, y: u32, expected: [u8; 3], context: &str) {
    let found = pixel(picture, x, y);
    let colour = if found.len() < 3 { [found[0]; 3] } else { [found[0], found[1], found[2]] };
    let close = colour.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 14);
    assert!(close, "{context}: {colour:?} at {x},{y} instead of {expected:?}");
}

/// The colours in the middles of the four quadrants: top left, top right, bottom left, bottom right.
fn assert_quadrants(picture: &Picture, expected: [[u8; 3]; 4], context: &str) {
    let (left, top) = (picture.width / 4, picture.height / 4);
    let (right, bottom) = (picture.width * 3 / 4, picture.height * 3 / 4);
    for ((x, y), colour) in [(left, top), (right, top), (left, bottom), (right, bottom)].into_iter().zip(expected) {
        assert_colour(picture, x, y, colour, context);
    }
}

/// A JPEG that says it is to be turned.
fn oriented(picture: Picture, orientation: u8) -> Bytes {
    let jpeg = encoded(picture, Format::Jpeg);
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0".to_vec();
    exif[25] = orientation;
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let segment = [&[0xff, 0xe1], &length[..], &exif].concat();
    Bytes::from([&jpeg[..2], &segment, &jpeg[2..]].concat())
}

#[test]
fn every_format_goes_to_every_format() {
    let formats = [Format::Jpeg, Format::Png, Format::Webp, Format::Avif, Format::Gif];
    for from in formats {
        let source = encoded(quadrants(160, 120), from);
        for to in formats {
            let picture = rendered(&source, vec![resized(80, 0)], to);
            assert_eq!((picture.width, picture.height), (80, 60), "{from:?} to {to:?}");
            assert_quadrants(&picture, [RED, GREEN, BLUE, WHITE], &format!("{from:?} to {to:?}"));
        }
    }
}

#[test]
fn without_a_format_the_source_keeps_its_own() {
    for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif, Format::Gif] {
        let source = encoded(quadrants(32, 32), format);
        let rendered = engine_with(limits()).render(job(&source, vec![resized(16, 0)], None), &stop()).unwrap();
        assert_eq!(rendered.format, format);
    }
}

#[test]
fn all_orientations_come_out_upright_and_untagged() {
    // The corners of the upright picture, for each way in which the stored one is to be turned.
    let expected = [
        [RED, GREEN, BLUE, WHITE],
        [GREEN, RED, WHITE, BLUE],
        [WHITE, BLUE, GREEN, RED],
        [BLUE, WHITE, RED, GREEN],
        [RED, BLUE, GREEN, WHITE],
        [BLUE, RED, WHITE, GREEN],
        [WHITE, GREEN, BLUE, RED],
        [GREEN, WHITE, RED, BLUE],
    ];
    for (orientation, expected) in (1..).zip(expected) {
        let source = oriented(quadrants(160, 120), orientation);
        for format in [Format::Jpeg, Format::Png] {
            let context = format!("orientation {orientation} to {format:?}");
            let rendered = engine_with(limits()).render(job(&source, vec![resized(60, 0)], Some(format)), &stop());
            let body = rendered.unwrap().body;
            let height = if orientation < 5 { 45 } else { 80 };
            let header = probe(&body).unwrap();
            assert_eq!((header.width, header.height), (60, height), "{context}");
            assert_eq!(header.orientation, crate::adapters::raster::metadata::Orientation::Upright, "{context}");
            assert_quadrants(&decoded(&body), expected, &context);
        }
    }
}

#[test]
fn an_explicit_rotation_comes_before_the_resize() {
    let source = encoded(quadrants(64, 80), Format::Png);
    let step = Step { rotate: Some(Rotation::Quarter), ..resized(40, 0) };
    let picture = rendered(&source, vec![step], Format::Png);
    assert_eq!((picture.width, picture.height), (40, 32));
    assert_quadrants(&picture, [BLUE, RED, WHITE, GREEN], "turned by a quarter");
}

#[test]
fn gravity_and_extract_choose_the_part() {
    let source = encoded(quadrants(160, 80), Format::Jpeg);
    let west = rendered(&source, vec![cropped(40, 40, Gravity::West)], Format::Png);
    assert_quadrants(&west, [RED, RED, BLUE, BLUE], "west");
    let east = rendered(&source, vec![cropped(40, 40, Gravity::East)], Format::Jpeg);
    assert_quadrants(&east, [GREEN, GREEN, WHITE, WHITE], "east");
    let extract = Extract { top: 50, left: 100, width: side(40), height: side(20) };
    let part = rendered(&source, vec![Step { extract: Some(extract), ..Step::default() }], Format::Png);
    assert_eq!((part.width, part.height), (40, 20));
    assert_colour(&part, 20, 10, WHITE, "extract");
}

#[test]
fn a_smart_crop_keeps_the_subject() {
    for (left, orientation) in [(20, 1), (250, 1), (20, 3), (250, 3)] {
        let subject = drawn(320, 120, |x, y| {
            let inside = (left..left + 50).contains(&x) && (30..80).contains(&y);
            if inside && (x / 5 + y / 5) % 2 == 0 { WHITE } else { [60, 60, 60] }
        });
        let source = oriented(subject, orientation);
        let picture = rendered(&source, vec![cropped(60, 60, Gravity::Smart)], Format::Png);
        let bright =
            (0..60).flat_map(|y| (0..60).map(move |x| (x, y))).filter(|(x, y)| pixel(&picture, *x, *y)[0] > 150);
        // Half of a square of 25 by 25 is white once the picture is half as large.
        assert!(bright.count() > 220, "the subject at {left}, orientation {orientation}, was cut away");
    }
}

#[test]
fn nested_steps_pass_pixels_on_and_lose_nothing() {
    let source = encoded(quadrants(160, 160), Format::Jpeg);
    let first = cropped(80, 160, Gravity::West);
    let second = Step { rotate: Some(Rotation::Quarter), grayscale: true, ..Step::default() };
    let third = Step { resize: resized(40, 0).resize, ..Step::default() };
    let picture = rendered(&source, vec![first, second, third], Format::Png);
    assert_eq!((picture.width, picture.height), (40, 20));
    assert_eq!(picture.layout, Layout::Gray);
    // Blue came left of red by the turn, and is darker.
    assert!(pixel(&picture, 10, 10)[0] < 70 && pixel(&picture, 30, 10)[0] > 70);
}

#[test]
fn the_plane_path_shows_what_the_pixel_path_shows() {
    let waves = drawn(233, 181, |x, y| {
        let wave = |value: u32, length: f64| (f64::from(value) / length).sin().mul_add(100.0, 128.0) as u8;
        [wave(x, 25.0), wave(y, 30.0), wave(x + y, 40.0)]
    });
    let source = encoded(waves, Format::Jpeg);
    let steps = [
        resized(77, 0),
        Step { rotate: Some(Rotation::ThreeQuarters), ..resized(99, 0) },
        cropped(61, 33, Gravity::East),
        Step { grayscale: true, ..resized(100, 51) },
    ];
    for step in steps {
        let planes = rendered(&source, vec![step.clone()], Format::Jpeg);
        let pixels = rendered(&source, vec![step.clone()], Format::Png);
        for (x, y) in [(8, 8), (planes.width / 2, planes.height / 2), (planes.width - 8, planes.height - 8)] {
            let expected = pixel(&pixels, x, y);
            let expected = if expected.len() < 3 { [expected[0]; 3] } else { [expected[0], expected[1], expected[2]] };
            assert_colour(&planes, x, y, expected, &format!("{step:?}"));
        }
    }
}

#[test]
fn transparency_becomes_white_in_a_jpeg_and_stays_elsewhere() {
    let samples = [[200, 30, 30, 255], [0, 0, 0, 0]].concat().repeat(8).repeat(16);
    let samples = (0..16 * 16).flat_map(|i| samples[if i % 16 < 8 { 0..4 } else { 4..8 }].to_vec()).collect();
    let source = Picture { width: 16, height: 16, layout: Layout::Rgba, samples: Samples::U8(samples) };
    let source = encoded(source, Format::Png);
    let jpeg = rendered(&source, vec![Step::default()], Format::Jpeg);
    assert_colour(&jpeg, 3, 8, [200, 30, 30], "opaque part");
    assert_colour(&jpeg, 13, 8, [255; 3], "transparent part");
    for format in [Format::Png, Format::Webp, Format::Avif] {
        let kept = rendered(&source, vec![resized(8, 8)], format);
        assert!(pixel(&kept, 7, 4)[3] < 8 && pixel(&kept, 0, 4)[3] > 247, "{format:?}");
    }
}

#[test]
fn sixteen_bits_reach_the_png() {
    let samples = (0..64_u16 * 64).map(|i| 20_000 + i).collect();
    let source = Picture { width: 64, height: 64, layout: Layout::Gray, samples: Samples::U16(samples) };
    let source = encoded(source, Format::Png);
    let picture = rendered(&source, vec![resized(32, 32)], Format::Png);
    let Samples::U16(samples) = picture.samples else { panic!("the depth was lost") };
    let distinct: std::collections::BTreeSet<u16> = samples.into_iter().collect();
    assert!(distinct.len() > 500, "{}", distinct.len());
}

#[test]
fn a_watermark_goes_where_it_is_told_and_a_jpeg_stays_opaque() {
    let mark = Picture { width: 10, height: 10, layout: Layout::Rgba, samples: Samples::U8(RED_DOT.repeat(100)) };
    let overlay = Arc::new(Overlay::new(encoded(mark, Format::Png), &limits()).unwrap());
    let source = encoded(drawn(90, 60, |_, _| BLUE), Format::Jpeg);
    let position = Position { vertical: Third::Middle, horizontal: Third::End };
    for format in [Format::Jpeg, Format::Png] {
        let job = RenderJob {
            overlays: vec![Arc::clone(&overlay)],
            ..job(&source, vec![watermarked(position)], Some(format))
        };
        let picture = decoded(&engine_with(limits()).render(job, &stop()).unwrap().body);
        assert_colour(&picture, 65, 25, [255, 0, 0], "inside the mark");
        assert_colour(&picture, 52, 25, BLUE, "left of the mark");
        assert_eq!(picture.layout, Layout::Rgb);
    }
}

const RED_DOT: [u8; 4] = [255, 0, 0, 255];

#[test]
fn a_blur_softens_edges_and_keeps_the_size() {
    let source = encoded(quadrants(80, 80), Format::Png);
    let blur = Blur { sigma_thousandths: 6_000, min_ampl_thousandths: 0 };
    let picture = rendered(&source, vec![Step { blur: Some(blur), ..Step::default() }], Format::Png);
    assert_eq!((picture.width, picture.height), (80, 80));
    assert_quadrants(&picture, [RED, GREEN, BLUE, WHITE], "away from the edges");
    let edge = pixel(&picture, 40, 20);
    assert!((80..=180).contains(&edge[0]) && (80..=160).contains(&edge[1]), "{edge:?}");
}

#[test]
fn equal_jobs_give_equal_bytes() {
    let source = encoded(quadrants(120, 90), Format::Jpeg);
    for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif, Format::Gif] {
        let job = job(&source, vec![cropped(50, 50, Gravity::Smart)], Some(format));
        let once = engine_with(limits()).render(job.clone(), &stop()).unwrap().body;
        assert_eq!(once, engine_with(limits()).render(job, &stop()).unwrap().body, "{format:?}");
    }
}

#[test]
fn every_limit_refuses_with_its_own_kind() {
    let source = encoded(quadrants(100, 80), Format::Png);
    let plain = || job(&source, vec![resized(50, 0)], None);
    let with = |change: fn(&mut LimitsConfig)| {
        let mut limits = limits();
        change(&mut limits);
        limits
    };
    assert_eq!(refused(with(|limits| limits.source_bytes = 10), plain()), FaultKind::TooLarge);
    assert_eq!(refused(with(|limits| limits.source_pixels = 7_999), plain()), FaultKind::Unprocessable);
    assert_eq!(refused(with(|limits| limits.output_side = 49), plain()), FaultKind::Invalid);
    assert_eq!(refused(with(|limits| limits.output_pixels = 1_999), plain()), FaultKind::Invalid);
    assert_eq!(refused(with(|limits| limits.operations = 0), plain()), FaultKind::Invalid);
    let unlimited = engine_with(with(|limits| limits.render_memory_bytes = 1));
    assert_eq!(unlimited.estimate(&plain()).unwrap_err().kind(), FaultKind::Unprocessable);
}

#[test]
fn what_is_no_picture_or_cut_off_is_unprocessable() {
    let text = Bytes::from_static(b"once upon a time there was a text file");
    assert_eq!(refused(limits(), job(&text, vec![resized(50, 0)], None)), FaultKind::Unprocessable);
    for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif, Format::Gif] {
        let whole = encoded(quadrants(100, 80), format);
        let half = whole.slice(..whole.len() * 2 / 3);
        let fault = engine_with(limits()).render(job(&half, vec![resized(50, 0)], None), &stop()).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unprocessable, "{format:?}");
    }
}

#[test]
fn a_raised_flag_ends_the_work() {
    let source = encoded(quadrants(100, 80), Format::Png);
    let flag = stop();
    flag.raise();
    let fault = engine_with(limits()).render(job(&source, vec![resized(50, 0)], None), &flag).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Cancelled);
}

#[test]
fn the_estimate_follows_the_sizes() {
    let small = encoded(quadrants(100, 100), Format::Png);
    let large = encoded(quadrants(900, 900), Format::Png);
    let bytes = |source| engine_with(limits()).estimate(&job(source, vec![resized(50, 0)], None)).unwrap().memory_bytes;
    assert!(bytes(&large) >= bytes(&small) + 900 * 900 * 3 - 100 * 100 * 6);
    let shrunk = encoded(quadrants(900, 900), Format::Jpeg);
    assert!(bytes(&shrunk) < bytes(&large) / 2, "a JPEG is shrunk while it is decoded");
}

#[test]
fn the_estimate_counts_what_stands_between_the_passes_of_a_stretched_strip() {
    let between = 2_000 * 1_500 * 3;
    for format in [Format::Jpeg, Format::Png] {
        let strip = encoded(quadrants(2_000, 10), format);
        let bytes = |steps| engine_with(limits()).estimate(&job(&strip, steps, None)).unwrap().memory_bytes;
        assert!(bytes(vec![resized(10, 1_500)]) > between, "{format:?}");
        assert!(bytes(vec![resized(10, 10), resized(1_500, 10), resized(10, 1_500)]) > between / 2, "{format:?}");
        assert!(bytes(vec![resized(1_000, 10)]) < between / 2, "{format:?}");
    }
}

#[test]
fn an_animation_keeps_its_frames_and_another_format_takes_the_first() {
    let gif = animated_gif(&[RED, GREEN, BLUE], 60, 40);
    for format in [Format::Gif, Format::Webp] {
        let rendered = engine_with(limits()).render(job(&gif, vec![resized(30, 0)], Some(format)), &stop()).unwrap();
        let header = probe_whole(&rendered.body).unwrap();
        assert_eq!((header.width, header.height, header.frames), (30, 20, 3), "{format:?}");
        assert_colour(&decoded(&rendered.body), 15, 10, RED, "the first frame");
    }
    let still = rendered(&gif, vec![resized(30, 0)], Format::Jpeg);
    assert_colour(&still, 15, 10, RED, "the first frame");
    assert_eq!(probe(&gif).unwrap().format, SourceFormat::Gif);
}

#[test]
fn too_many_frames_are_refused_rather_than_dropped() {
    let gif = animated_gif(&[RED, GREEN, BLUE], 8, 8);
    let few = LimitsConfig { frames: 2, ..limits() };
    assert_eq!(refused(few, job(&gif, vec![resized(4, 0)], None)), FaultKind::Unprocessable);
}

fn animated_gif(colours: &[[u8; 3]], width: u32, height: u32) -> Bytes {
    use image::codecs::gif::GifEncoder;
    use image::{Frame, Rgba, RgbaImage};
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for [red, green, blue] in colours {
        let canvas = RgbaImage::from_pixel(width, height, Rgba([*red, *green, *blue, 255]));
        encoder.encode_frame(Frame::new(canvas)).unwrap();
    }
    drop(encoder);
    Bytes::from(bytes)
}

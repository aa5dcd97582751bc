use super::*;
use crate::adapters::raster::drawn::{LIMITS, settings};
use crate::adapters::raster::probe::probe;

const SIZE: (u32, u32) = (40, 30);

/// A block that wanders over an opaque ground, or over nothing.
fn drawn(frames: u32, opaque: bool) -> Vec<Frame> {
    let (width, height) = SIZE;
    let frame = |index: u32| {
        let pixel = |at: u32| {
            let (x, y) = (at % width, at / width);
            let inside = (index * 5..index * 5 + 8).contains(&x) && (5..15).contains(&y);
            match (inside, opaque) {
                (true, _) => [220, 40, 40, 255],
                (false, true) => [30, 90, 160, 255],
                (false, false) => [0; 4],
            }
        };
        let samples = Samples::U8((0..width * height).flat_map(pixel).collect());
        let picture = Picture { width, height, layout: Layout::Rgba, samples };
        Frame { picture, delay: Duration::from_millis(u64::from(40 + index * 10)) }
    };
    (0..frames).map(frame).collect()
}

fn written(frames: &[Frame], format: Format) -> Vec<u8> {
    let mut encoder = FrameEncoder::new(SIZE.0, SIZE.1, Loops(3), &settings(format)).unwrap();
    for frame in frames {
        encoder.push(frame).unwrap();
    }
    encoder.finish().unwrap().to_vec()
}

fn read(file: &[u8], limits: &DecodeLimits) -> Result<Vec<Frame>, Fault> {
    frames(file, &probe(file)?, limits)?.collect()
}

#[test]
fn gif_gives_every_frame_back_exactly() {
    for opaque in [true, false] {
        let before = drawn(5, opaque);
        let file = written(&before, Format::Gif);
        assert_eq!(probe(&file).unwrap().frames, 5);
        let after = read(&file, &LIMITS).unwrap();
        assert_eq!(after.len(), 5);
        for (index, (before, after)) in before.iter().zip(&after).enumerate() {
            assert_eq!(visible(after), visible(before), "frame {index}, opaque {opaque}");
            assert_eq!(after.delay, before.delay);
        }
    }
}

#[test]
fn webp_gives_every_frame_back_much_alike() {
    for opaque in [true, false] {
        let before = drawn(4, opaque);
        let file = written(&before, Format::Webp);
        assert_eq!(probe(&file).unwrap().frames, 4);
        let after = read(&file, &LIMITS).unwrap();
        assert_eq!(after.len(), 4);
        for (before, after) in before.iter().zip(&after) {
            let differing = visible(before).iter().zip(visible(after)).filter(|(a, b)| a.abs_diff(*b) > 60).count();
            assert!(differing < 100, "{differing} samples differ");
            assert_eq!(after.delay, before.delay);
        }
    }
}

#[test]
fn the_number_of_loops_is_kept() {
    for format in [Format::Gif, Format::Webp] {
        let file = written(&drawn(2, true), format);
        assert_eq!(frames(&file, &probe(&file).unwrap(), &LIMITS).unwrap().loops(), Loops(3), "{format:?}");
    }
}

#[test]
fn more_frames_than_allowed_are_refused() {
    for format in [Format::Gif, Format::Webp] {
        let file = written(&drawn(5, true), format);
        let limits = DecodeLimits { frames: 4, ..LIMITS };
        assert!(read(&file, &limits).unwrap_err().message().contains("more frames"));
        assert!(read(&file, &DecodeLimits { frames: 5, ..LIMITS }).is_ok());
    }
}

#[test]
fn an_animation_cut_anywhere_ends_in_an_error_or_has_all_its_frames() {
    for format in [Format::Gif, Format::Webp] {
        let file = written(&drawn(3, true), format);
        for length in 0..file.len() {
            if let Ok(frames) = read(&file[..length], &LIMITS) {
                // GIF ends with one byte that says nothing about the pictures.
                assert!(frames.len() == 3 && length == file.len() - 1, "{format:?} cut at {length} of {}", file.len());
            }
        }
    }
}

#[test]
fn a_frame_that_does_not_change_costs_next_to_nothing() {
    let frame = drawn(1, true).remove(0);
    let once = written(std::slice::from_ref(&frame), Format::Gif).len();
    let ten = written(&vec![frame; 10], Format::Gif).len();
    assert!(ten < once + 9 * 60, "{once} bytes became {ten}");
}

#[test]
fn unfit_frames_and_formats_are_refused() {
    assert!(FrameEncoder::new(4, 4, Loops(0), &settings(Format::Png)).is_err());
    assert!(FrameEncoder::new(70_000, 4, Loops(0), &settings(Format::Gif)).is_err());
    let mut encoder = FrameEncoder::new(4, 4, Loops(0), &settings(Format::Gif)).unwrap();
    assert!(encoder.push(&drawn(1, true)[0]).is_err());
    assert!(encoder.finish().is_err(), "an animation needs a frame");
}

/// Colours count only where they can be seen.
fn visible(frame: &Frame) -> Vec<u8> {
    let Samples::U8(rgba) = &frame.picture.samples else { panic!("eight bits only") };
    rgba.as_chunks::<4>().0.iter().flat_map(|pixel| if pixel[3] == 0 { [0; 4] } else { *pixel }).collect()
}

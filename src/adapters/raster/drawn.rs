//! Pictures drawn for the tests, and how to compare them.

use std::time::Duration;

use mortar_actors::{Deadline, StopFlag};

use super::decode::DecodeLimits;
use super::encode::EncodeSettings;
use super::pixels::{Layout, Picture, Samples};
use crate::domain::plan::Format;

pub(super) const LIMITS: DecodeLimits = DecodeLimits { pixels: 4_000_000, frames: 100 };

/// A smooth gradient with a disc and a bar, so that there are slopes, edges and strong colours. Alpha, where the layout
/// has it, falls from left to right.
pub(super) fn picture(width: u32, height: u32, layout: Layout) -> Picture {
    let mut samples = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let rgb = color_at(x, y, width, height);
            let grey = ((u32::from(rgb[0]) * 77 + u32::from(rgb[1]) * 151 + u32::from(rgb[2]) * 28) >> 8) as u8;
            let alpha = 255 - (x * 255 / width.max(2)) as u8;
            match layout {
                Layout::Gray => samples.push(grey),
                Layout::GrayAlpha => samples.extend([grey, alpha]),
                Layout::Rgb => samples.extend(rgb),
                Layout::Rgba => samples.extend([rgb[0], rgb[1], rgb[2], alpha]),
            }
        }
    }
    Picture { width, height, layout, samples: Samples::U8(samples) }
}

fn color_at(x: u32, y: u32, width: u32, height: u32) -> [u8; 3] {
    let (cx, cy) = (i64::from(width) / 3, i64::from(height) / 2);
    let (dx, dy) = (i64::from(x) - cx, i64::from(y) - cy);
    let radius = i64::from(width.min(height)) / 4;
    if dx * dx + dy * dy < radius * radius {
        return [210, 60, 40];
    }
    if x > width * 3 / 4 && x < width * 7 / 8 {
        return [20, 60, 200];
    }
    [(x * 200 / width) as u8, (y * 220 / height) as u8, 128]
}

/// The same with sixteen bits: a ramp with steps that eight bits cannot tell apart.
pub(super) fn deep_picture(width: u32, height: u32, layout: Layout) -> Picture {
    let count = width as usize * height as usize * layout.channels();
    let samples = (0..count).map(|index| 20_000 + (index % 20_000) as u16).collect();
    Picture { width, height, layout, samples: Samples::U16(samples) }
}

/// Peak signal to noise ratio in decibels over all samples; more is more alike. Above 30 one has to look for it.
pub(super) fn psnr(a: &Picture, b: &Picture) -> f64 {
    assert_eq!((a.width, a.height, a.layout), (b.width, b.height, b.layout));
    let (Samples::U8(a), Samples::U8(b)) = (&a.samples, &b.samples) else { panic!("eight bits only") };
    let error: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    if error == 0 {
        return f64::INFINITY;
    }
    10.0 * (255.0 * 255.0 * a.len() as f64 / error as f64).log10()
}

pub(super) fn settings(format: Format) -> EncodeSettings {
    EncodeSettings {
        format,
        quality: 85,
        interlace: false,
        exif: None,
        webp_method: 2,
        avif_speed: 9,
        png_compression: 3,
    }
}

pub(super) fn never() -> StopFlag {
    StopFlag::new(Deadline::within(Duration::from_secs(3600)))
}

/// Calls `check` with copies of a file in which a few bytes are changed, the same ones in every run.
pub(super) fn with_corruptions(file: &[u8], runs: u64, mut check: impl FnMut(&[u8])) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..runs {
        let mut broken = file.to_vec();
        for _ in 0..=random() % 8 {
            let at = random() as usize % broken.len();
            broken[at] = random() as u8;
        }
        check(&broken);
    }
}

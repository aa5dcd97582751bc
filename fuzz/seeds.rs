//! Writes what the fuzz targets start from: `seeds DIRECTORY` fills `DIRECTORY/<target>/`. The pictures are drawn here
//! and written by Mortar's own encoders, where it has one.

use std::error::Error;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io};

use mortar::adapters::raster::animation::{Frame, FrameEncoder, Loops};
use mortar::adapters::raster::encode::{EncodeSettings, encode};
use mortar::adapters::raster::pixels::{Layout, Picture, Pixels, Samples};
use mortar::config::DEFAULT_CONFIG;
use mortar::domain::plan::Format;
use mortar_actors::{Deadline, StopFlag};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const WIDTH: u32 = 40;
const HEIGHT: u32 = 28;
const FRAMES: u32 = 3;

fn main() -> Outcome {
    let root = env::args_os().nth(1).map(PathBuf::from).ok_or("usage: seeds DIRECTORY")?;
    texts(&root)?;
    stills(&root)?;
    animations(&root)?;
    foreign(&root)
}

fn texts(root: &Path) -> Outcome {
    let urls = [
        "/media/sample.jpg",
        "/media/small/sample.jpg?width=10",
        "/media/dir/a%20b.jpg/small/square",
        "/media/sample.jpg?operation=crop&width=40&height=30&gravity=smart&format=webp",
        "/media/a.png?operation=watermark&image=%2Fmedia%2Flogo.png&position=top-left&opacity=0.5",
    ];
    let queries = [
        "width=800&format=webp&quality=80&grayscale=1",
        "operation=resize&operation=rotate&angle=90&width=5",
        "operation=extract&top=1&left=2&areaWith=3&areaHeight=4",
        "operation=resizeCropAuto&width=1&height=2",
        "operation=blur&sigma=1.5&minAmpl=0.1",
        "operation=watermark&image=https://a.example/b.png&position=center-center&opacity=1",
    ];
    let ranges = ["bytes=0-0", "bytes=5-,-3", "bytes=0-1,4-5,9-7,-0", "Bytes = 1-2, 2-3,,"];
    let sections = DEFAULT_CONFIG.split("\n\n").map(str::as_bytes);
    all(root, "url", urls.map(str::as_bytes))?;
    all(root, "query", queries.map(str::as_bytes))?;
    all(root, "range", ranges.map(|value| [&1000_u64.to_le_bytes(), value.as_bytes()].concat()))?;
    all(root, "config", sections.chain([DEFAULT_CONFIG.as_bytes(), br#"server.listen = "${SECRET}""#]))?;
    let sidecar = b"\x12\x34\x01\x1d\x00\x00\x00\x82\xaccontent-type\xa9image/png\xa4etag\xa1apixels";
    let lying = b"\x12\x34\x01\xff\xff\xff\xffpixels";
    all(root, "sidecar", [&sidecar[..], &lying[..], b"no metadata"])
}

fn stills(root: &Path) -> Outcome {
    for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
        for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif, Format::Gif] {
            for interlace in [false, true] {
                still(root, &format!("{layout:?}-{interlace}"), shallow(layout), format, interlace)?;
            }
        }
        still(root, &format!("{layout:?}-deep"), deep(layout), Format::Png, false)?;
    }
    Ok(())
}

fn still(root: &Path, name: &str, picture: Picture, format: Format, interlace: bool) -> Outcome {
    let settings = EncodeSettings { interlace, ..settings(format) };
    let stop = StopFlag::new(Deadline::within(Duration::from_secs(600)));
    let encoded = encode(&Pixels::Picture(picture), &settings, &stop)?;
    write(root, &format!("{format:?}").to_lowercase(), name, &encoded)?;
    Ok(())
}

fn animations(root: &Path) -> Outcome {
    for format in [Format::Gif, Format::Webp] {
        let mut encoder = FrameEncoder::new(WIDTH, HEIGHT, Loops(2), &settings(format))?;
        for shift in 0..FRAMES {
            let picture = drawn(Layout::Rgba, |x, y| colour(x + 4 * shift, y));
            encoder.push(&Frame { picture, delay: Duration::from_millis(50) })?;
        }
        write(root, &format!("{format:?}").to_lowercase(), "animation", &encoder.finish()?)?;
    }
    Ok(())
}

/// Formats that Mortar reads and does not write.
fn foreign(root: &Path) -> Outcome {
    for (format, target) in [(image::ImageFormat::Tiff, "tiff"), (image::ImageFormat::Bmp, "bmp")] {
        for (layout, kind) in [
            (Layout::Gray, image::ExtendedColorType::L8),
            (Layout::Rgb, image::ExtendedColorType::Rgb8),
            (Layout::Rgba, image::ExtendedColorType::Rgba8),
        ] {
            let Samples::U8(samples) = shallow(layout).samples else { continue };
            let mut file = Cursor::new(Vec::new());
            image::write_buffer_with_format(&mut file, &samples, WIDTH, HEIGHT, kind, format)?;
            write(root, target, &format!("{layout:?}"), file.get_ref())?;
        }
    }
    Ok(())
}

fn settings(format: Format) -> EncodeSettings {
    EncodeSettings {
        format,
        quality: 60,
        interlace: false,
        exif: None,
        webp_method: 2,
        avif_speed: 10,
        png_compression: 6,
    }
}

/// Slopes, edges and see-through parts.
fn colour(x: u32, y: u32) -> [u8; 4] {
    let disc = x.abs_diff(14).pow(2) + y.abs_diff(12).pow(2) < 60;
    if disc { [210, 60, 40, 255] } else { [(x * 5) as u8, (y * 8) as u8, 128, (255 - x * 4) as u8] }
}

fn shallow(layout: Layout) -> Picture {
    drawn(layout, colour)
}

fn drawn(layout: Layout, colour: impl Fn(u32, u32) -> [u8; 4]) -> Picture {
    let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    let samples = pixels.flat_map(|(x, y)| {
        let [r, g, b, a] = colour(x, y);
        match layout {
            Layout::Gray => vec![g],
            Layout::GrayAlpha => vec![g, a],
            Layout::Rgb => vec![r, g, b],
            Layout::Rgba => vec![r, g, b, a],
        }
    });
    Picture { width: WIDTH, height: HEIGHT, layout, samples: Samples::U8(samples.collect()) }
}

fn deep(layout: Layout) -> Picture {
    let count = WIDTH as usize * HEIGHT as usize * layout.channels();
    let samples = (0..count).map(|index| (index * 37 % 65_536) as u16).collect();
    Picture { width: WIDTH, height: HEIGHT, layout, samples: Samples::U16(samples) }
}

fn all<Seed: AsRef<[u8]>>(root: &Path, target: &str, seeds: impl IntoIterator<Item = Seed>) -> Outcome {
    for (index, seed) in seeds.into_iter().enumerate() {
        write(root, target, &index.to_string(), seed.as_ref())?;
    }
    Ok(())
}

fn write(root: &Path, target: &str, name: &str, seed: &[u8]) -> io::Result<()> {
    let directory = root.join(target);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(format!("seed-{name}")), seed)
}

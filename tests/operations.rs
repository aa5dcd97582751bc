//! Each operation as a client sees it: sizes, places, colours, against pictures made by other means.

mod harness;

use harness::origin::{Origin, Reply};
use harness::pictures::{
    cmyk_jpeg, deep_png, gif, has_segment, plain_png, with_orientation, with_profile, with_segment,
};
use harness::{Mortar, decode, drawn, drawn_jpeg, mean_difference, png};
use image::imageops::{self, FilterType};
use image::{AnimationDecoder, DynamicImage, Rgba, RgbaImage};

/// [`drawn`] as every reference picture is compared.
fn reference(width: u32, height: u32) -> RgbaImage {
    DynamicImage::ImageRgb8(drawn(width, height)).to_rgba8()
}

/// A mortar that holds `photo.png`, [`drawn`] of 320x200.
fn with_photo(server: &str, more: &str) -> Mortar {
    let mortar = Mortar::with(server, more);
    mortar.put("photo.png", &png(&drawn(320, 200).into()));
    mortar
}

fn expect_close(shown: &RgbaImage, expected: &RgbaImage, tolerance: f64, what: &str) {
    let difference = mean_difference(shown, expected);
    assert!(difference <= tolerance, "{what}: the samples differ by {difference} on average");
}

#[test]
fn sizes_follow_the_rules_of_each_operation() {
    let mortar = with_photo("", "");
    for (query, size) in [
        ("width=160", (160, 100)),
        ("height=50", (80, 50)),
        ("width=100&height=100", (100, 100)),
        ("width=640", (640, 400)),
        ("operation=resize&width=160", (160, 100)),
        ("operation=crop&width=100&height=100", (100, 100)),
        ("operation=crop&width=100&height=100&gravity=center", (100, 100)),
        ("operation=crop&width=100", (100, 200)),
        ("operation=crop&width=1000&height=1000&gravity=center", (320, 200)),
        ("operation=extract&top=10&left=20&areaWith=30&areaHeight=40", (30, 40)),
        ("operation=extract&top=0&left=20&areaWith=30", (30, 200)),
        ("operation=resizeCropAuto&width=60&height=90", (60, 90)),
        ("operation=rotate&angle=90", (200, 320)),
        ("operation=rotate&angle=180", (320, 200)),
        ("operation=rotate&operation=resize&angle=90&width=100", (100, 160)),
        ("operation=blur&sigma=2&width=10", (320, 200)),
        ("grayscale=1", (320, 200)),
        ("width=1", (1, 1)),
    ] {
        let answer = mortar.get(&format!("/media/photo.png?{query}"));
        assert_eq!(answer.picture().dimensions(), size, "{query}");
        let told = (answer.header("x-amz-meta-public-width"), answer.header("x-amz-meta-public-height"));
        assert_eq!(told, (size.0.to_string().as_str(), size.1.to_string().as_str()), "{query}");
    }
}

#[test]
fn a_resized_picture_looks_like_one_resized_by_other_means() {
    let mortar = with_photo("", "");
    for (width, height) in [(160, 100), (100, 100), (37, 23), (640, 400)] {
        let shown = mortar.get(&format!("/media/photo.png?width={width}&height={height}")).picture();
        let expected = imageops::resize(&reference(320, 200), width, height, FilterType::Lanczos3);
        expect_close(&shown, &expected, 2.5, &format!("{width}x{height}"));
    }
}

#[test]
fn cuts_show_exactly_the_pixels_of_their_place() {
    let mortar = with_photo("", "");
    let source = reference(320, 200);
    let area = mortar.get("/media/photo.png?operation=extract&top=10&left=20&areaWith=30&areaHeight=40").picture();
    assert_eq!(area, imageops::crop_imm(&source, 20, 10, 30, 40).to_image());
    for (gravity, left) in [("west", 0), ("center", 60), ("east", 120)] {
        let query = format!("operation=crop&width=200&height=200&gravity={gravity}");
        let shown = mortar.get(&format!("/media/photo.png?{query}")).picture();
        assert_eq!(shown, imageops::crop_imm(&source, left, 0, 200, 200).to_image(), "{gravity}");
    }
    mortar.put("high.png", &png(&drawn(200, 320).into()));
    for (gravity, top) in [("north", 0), ("center", 60), ("south", 120)] {
        let query = format!("operation=crop&width=200&height=200&gravity={gravity}");
        let shown = mortar.get(&format!("/media/high.png?{query}")).picture();
        assert_eq!(shown, imageops::crop_imm(&reference(200, 320), 0, top, 200, 200).to_image(), "{gravity}");
    }
}

#[test]
fn turning_moves_every_pixel_to_its_place() {
    let mortar = with_photo("", "");
    let source = reference(320, 200);
    for (angle, expected) in [
        (90, imageops::rotate90(&source)),
        (180, imageops::rotate180(&source)),
        (270, imageops::rotate270(&source)),
        (0, source.clone()),
    ] {
        let shown = mortar.get(&format!("/media/photo.png?operation=rotate&angle={angle}")).picture();
        assert_eq!(shown, expected, "{angle}");
    }
}

#[test]
fn a_smart_crop_keeps_what_draws_attention() {
    let mortar = Mortar::start();
    for (name, at) in [("left.png", 30), ("right.png", 330)] {
        let mut picture = RgbaImage::from_pixel(400, 100, Rgba([120, 130, 125, 255]));
        for (x, y) in (0..40).flat_map(|x| (30..70).map(move |y| (x, y))) {
            picture.put_pixel(at + x, y, Rgba([if (x + y) % 8 < 4 { 250 } else { 160 }, 20, 30, 255]));
        }
        mortar.put(name, &png(&picture.into()));
        let shown = mortar.get(&format!("/media/{name}?operation=crop&width=100&height=100")).picture();
        let red = shown.pixels().filter(|pixel| pixel[0] > pixel[1] + 60).count();
        assert!(red > 1_200, "{name}: {red} of 1600 pixels are shown");
    }
}

#[test]
fn blur_and_grayscale_do_what_they_say() {
    let mortar = with_photo("", "");
    let source = reference(320, 200);
    let blurred = mortar.get("/media/photo.png?operation=blur&sigma=3").picture();
    expect_close(&blurred, &imageops::blur(&source, 3.0), 2.0, "blur");
    let gray = mortar.get("/media/photo.png?grayscale=1").picture();
    assert!(gray.pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    let luma =
        |pixel: &Rgba<u8>| 0.2126 * f64::from(pixel[0]) + 0.7152 * f64::from(pixel[1]) + 0.0722 * f64::from(pixel[2]);
    let expected = RgbaImage::from_fn(320, 200, |x, y| {
        let level = luma(source.get_pixel(x, y)).round() as u8;
        Rgba([level, level, level, 255])
    });
    expect_close(&gray, &expected, 12.0, "grayscale");
}

#[test]
fn orientations_are_applied_and_cleared() {
    let mortar = Mortar::start();
    let jpeg = drawn_jpeg(160, 96);
    let upright = decode(&jpeg);
    let flipped = imageops::flip_horizontal(&upright);
    for (orientation, expected) in [
        (1, upright.clone()),
        (2, flipped.clone()),
        (3, imageops::rotate180(&upright)),
        (4, imageops::flip_vertical(&upright)),
        (5, imageops::rotate270(&flipped)),
        (6, imageops::rotate90(&upright)),
        (7, imageops::rotate90(&flipped)),
        (8, imageops::rotate270(&upright)),
    ] {
        let name = format!("turned-{orientation}.jpg");
        mortar.put(&name, &with_orientation(&jpeg, orientation));
        for (query, tolerance) in [("format=png", 1.0), ("quality=95", 3.0)] {
            let answer = mortar.get(&format!("/media/{name}?{query}"));
            expect_close(&answer.picture(), &expected, tolerance, &format!("{orientation} {query}"));
        }
        let stored = mortar.get(&format!("/media/{name}?quality=95")).body;
        mortar.put(&format!("again-{orientation}.jpg"), &stored);
        let again = mortar.get(&format!("/media/again-{orientation}.jpg?format=png")).picture();
        assert_eq!(again.dimensions(), expected.dimensions(), "{orientation}: turned once, not twice");
    }
}

#[test]
fn a_turned_photo_is_cropped_as_it_is_seen() {
    let mortar = Mortar::start();
    let jpeg = drawn_jpeg(320, 200);
    mortar.put("turned.jpg", &with_orientation(&jpeg, 6));
    let seen = imageops::rotate90(&decode(&jpeg));
    let query = "operation=extract&top=20&left=30&areaWith=100&areaHeight=80&format=png";
    let shown = mortar.get(&format!("/media/turned.jpg?{query}")).picture();
    expect_close(&shown, &imageops::crop_imm(&seen, 30, 20, 100, 80).to_image(), 1.0, "extract");
    let small = mortar.get("/media/turned.jpg?width=50&format=png").picture();
    expect_close(&small, &imageops::resize(&seen, 50, 80, FilterType::Lanczos3), 3.0, "resize");
}

#[test]
fn metadata_goes_with_strip_and_the_place_of_the_camera_with_it() {
    let strip = "[buckets.media.transform.presets.bare.filters]\nstrip = true\nthumbnail = { width = 60 }\n";
    let mortar = Mortar::with("", strip);
    mortar.put("photo.jpg", &with_segment(&with_orientation(&drawn_jpeg(160, 96), 6), 0xFE, b"a comment"));
    let bare = mortar.get("/media/bare/photo.jpg");
    assert_eq!(bare.picture().dimensions(), (60, 100));
    assert!(!has_segment(&bare.body, 0xE1) && !has_segment(&bare.body, 0xFE));
}

#[test]
fn four_inks_become_the_colours_that_they_print() {
    let mortar = Mortar::start();
    for (name, inks, expected) in [
        ("paper", [0, 0, 0, 0], [255, 255, 255]),
        ("black", [0, 0, 0, 255], [0, 0, 0]),
        ("cyan", [255, 0, 0, 0], [0, 255, 255]),
        ("magenta", [0, 255, 0, 0], [255, 0, 255]),
        ("red", [0, 255, 255, 0], [255, 0, 0]),
    ] {
        mortar.put(name, &cmyk_jpeg(64, 48, inks));
        let shown = mortar.get(&format!("/media/{name}?width=32&format=png")).picture();
        assert_eq!(shown.dimensions(), (32, 24));
        let pixel = shown.get_pixel(16, 12);
        for (shown, expected) in pixel.0.iter().zip(expected) {
            assert!(shown.abs_diff(expected) <= 60, "{name}: {pixel:?} is far from {expected:?}");
        }
    }
}

#[test]
fn a_profile_is_honoured_and_not_just_dropped() {
    let mortar = Mortar::start();
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let flat = image::RgbImage::from_pixel(64, 48, image::Rgb([200, 100, 80]));
    let image = turbojpeg::Image {
        pixels: flat.as_raw().as_slice(),
        width: 64,
        height: 48,
        pitch: 64 * 3,
        format: turbojpeg::PixelFormat::RGB,
    };
    let plain = turbojpeg::compress(image, 95, turbojpeg::Subsamp::None).unwrap().to_vec();
    mortar.put("p3.jpg", &with_profile(&plain, &profile));
    mortar.put("plain.jpg", &plain);
    let expected = {
        let (p3, srgb) = (moxcms::ColorProfile::new_display_p3(), moxcms::ColorProfile::new_srgb());
        let (layout, options) = (moxcms::Layout::Rgb, moxcms::TransformOptions::default());
        let transform = p3.create_transform_8bit(layout, &srgb, layout, options).unwrap();
        let mut shown = [0u8; 3];
        transform.transform(&[200, 100, 80], &mut shown).unwrap();
        shown
    };
    assert!(expected[0] > 206, "the colour moves enough to be seen: {expected:?}");
    for format in ["png", "jpeg", "webp"] {
        let shown = mortar.get(&format!("/media/p3.jpg?width=32&quality=95&format={format}")).picture();
        let pixel = shown.get_pixel(16, 12).0;
        assert!(
            pixel.iter().zip(expected).all(|(shown, expected)| shown.abs_diff(expected) <= 4),
            "{format}: {pixel:?}"
        );
        let plain = mortar.get(&format!("/media/plain.jpg?width=32&quality=95&format={format}")).picture();
        assert!(plain.get_pixel(16, 12)[0].abs_diff(200) <= 4, "{format}");
    }
}

#[test]
fn sixteen_bits_stay_sixteen_bits() {
    let mortar = Mortar::start();
    mortar.put("deep.png", &deep_png(200, 20));
    let turned = mortar.get("/media/deep.png?operation=rotate&angle=180");
    let DynamicImage::ImageRgb16(shown) = image::load_from_memory(&turned.body).unwrap() else {
        panic!("the result has no sixteen bits");
    };
    for x in 0..200u32 {
        let from = (199 - x) as u16 * 16;
        assert_eq!(shown.get_pixel(x, 5).0, [from, 30_000 + from, 65_000 - from], "{x}");
    }
    let small = mortar.get("/media/deep.png?width=100");
    let DynamicImage::ImageRgb16(small) = image::load_from_memory(&small.body).unwrap() else {
        panic!("the small result has no sixteen bits");
    };
    let levels: std::collections::BTreeSet<u16> = small.pixels().map(|pixel| pixel[0]).collect();
    assert!(levels.len() > 80, "eight bits would leave a dozen levels: {}", levels.len());
    assert_eq!(mortar.get("/media/deep.png?width=100&format=webp").picture().dimensions(), (100, 10));
}

#[test]
fn alpha_does_not_bleed_the_colour_of_what_is_invisible() {
    let mortar = Mortar::start();
    let picture =
        RgbaImage::from_fn(200, 100, |x, _| if x < 101 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 255, 0, 0]) });
    mortar.put("cut.png", &png(&picture.into()));
    for format in ["png", "webp"] {
        let shown = mortar.get(&format!("/media/cut.png?width=50&quality=100&format={format}")).picture();
        let bled = shown.pixels().filter(|pixel| pixel[3] > 40 && pixel[1] > 40).count();
        assert_eq!(bled, 0, "{format}");
    }
}

#[test]
fn an_animation_keeps_its_frames_and_their_times() {
    let mortar = Mortar::start();
    let colours = [[200, 0, 0], [0, 200, 0], [0, 0, 200], [200, 200, 0]];
    mortar.put("film.gif", &gif(80, 40, &colours));
    let small = mortar.get("/media/film.gif?width=40");
    assert_eq!(small.header("content-type"), "image/gif");
    let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(&small.body)).unwrap();
    expect_film(&decoder.into_frames().collect_frames().unwrap(), &colours, "gif");
    let webp = mortar.get("/media/film.gif?width=40&format=webp");
    let decoder = image::codecs::webp::WebPDecoder::new(std::io::Cursor::new(&webp.body)).unwrap();
    expect_film(&decoder.into_frames().collect_frames().unwrap(), &colours, "webp");
    let still = mortar.get("/media/film.gif?width=40&format=jpeg").picture();
    assert!(still.get_pixel(20, 10)[0] > 150, "a format without frames shows the first");
}

fn expect_film(frames: &[image::Frame], colours: &[[u8; 3]], what: &str) {
    assert_eq!(frames.len(), colours.len(), "{what}");
    for (frame, colour) in frames.iter().zip(colours) {
        assert_eq!(frame.buffer().dimensions(), (40, 20), "{what}");
        assert_eq!(frame.delay().numer_denom_ms(), (100, 1), "{what}");
        let pixel = frame.buffer().get_pixel(20, 10).0;
        assert!(pixel.iter().zip(colour).all(|(shown, asked)| shown.abs_diff(*asked) < 40), "{what}: {pixel:?}");
    }
}

#[test]
fn every_format_can_be_asked_for_and_is_what_it_says() {
    let mortar = with_photo("", "");
    for (format, media_type, magic) in [
        ("jpeg", "image/jpeg", b"\xFF\xD8\xFF".as_slice()),
        ("jpg", "image/jpeg", b"\xFF\xD8\xFF"),
        ("png", "image/png", b"\x89PNG"),
        ("webp", "image/webp", b"RIFF"),
        ("gif", "image/gif", b"GIF89a"),
        ("avif", "image/avif", b"\0\0\0"),
    ] {
        let answer = mortar.get(&format!("/media/photo.png?width=100&format={format}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, media_type), "{format}");
        assert!(answer.body.starts_with(magic), "{format}");
        // What it made is a source again, of the same size.
        mortar.put(&format!("again.{format}"), &answer.body);
        let again = mortar.get(&format!("/media/again.{format}?format=png")).picture();
        let expected = imageops::resize(&reference(320, 200), 100, 63, FilterType::Lanczos3);
        assert!(again.dimensions().1.abs_diff(62) <= 1);
        let expected = imageops::resize(&expected, 100, again.height(), FilterType::Triangle);
        let tolerance = if format == "gif" { 14.0 } else { 6.0 };
        expect_close(&again, &expected, tolerance, format);
    }
}

#[test]
fn sources_of_other_formats_are_understood() {
    let mortar = Mortar::start();
    for format in [image::ImageFormat::Tiff, image::ImageFormat::Bmp, image::ImageFormat::WebP, image::ImageFormat::Gif]
    {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(drawn(160, 96)).write_to(&mut bytes, format).unwrap();
        let name = format!("photo.{}", format.extensions_str()[0]);
        mortar.put(&name, &bytes.into_inner());
        let shown = mortar.get(&format!("/media/{name}?format=png")).picture();
        let tolerance = if format == image::ImageFormat::Gif { 14.0 } else { 0.5 };
        expect_close(&shown, &reference(160, 96), tolerance, &name);
    }
}

#[test]
fn every_kind_of_sample_is_understood() {
    let mortar = Mortar::start();
    let base = DynamicImage::ImageRgb8(drawn(160, 96));
    for (name, picture) in [
        ("gray", DynamicImage::ImageLuma8(base.to_luma8())),
        ("gray-alpha", DynamicImage::ImageLumaA8(base.to_luma_alpha8())),
        ("gray-16", DynamicImage::ImageLuma16(base.to_luma16())),
        ("gray-alpha-16", DynamicImage::ImageLumaA16(base.to_luma_alpha16())),
        ("rgb", base.clone()),
        ("rgba", DynamicImage::ImageRgba8(base.to_rgba8())),
        ("rgb-16", DynamicImage::ImageRgb16(base.to_rgb16())),
        ("rgba-16", DynamicImage::ImageRgba16(base.to_rgba16())),
    ] {
        mortar.put(name, &png(&picture));
        let expected = picture.to_rgba8();
        let small = imageops::resize(&expected, 80, 48, FilterType::Lanczos3);
        for format in ["png", "jpeg", "webp"] {
            let same = mortar.get(&format!("/media/{name}?quality=95&format={format}")).picture();
            expect_close(&same, &expected, if format == "png" { 0.5 } else { 4.0 }, &format!("{name} {format}"));
            let shown = mortar.get(&format!("/media/{name}?width=80&quality=95&format={format}")).picture();
            expect_close(&shown, &small, 5.0, &format!("small {name} {format}"));
        }
    }
}

#[test]
fn pictures_of_one_pixel_in_a_row_go_through_everything() {
    let mortar = Mortar::start();
    for (width, height) in [(1, 1), (1, 40), (40, 1), (2, 3)] {
        let name = format!("{width}x{height}.png");
        mortar.put(&name, &png(&drawn(width, height).into()));
        mortar.put(&format!("{width}x{height}.jpg"), &drawn_jpeg(width, height));
        for query in [
            "width=1",
            "width=50",
            "height=50",
            "width=50&height=50",
            "operation=crop&width=50&height=50",
            "operation=crop&width=1&height=1&gravity=south",
            "operation=resizeCropAuto&width=20&height=10",
            "operation=extract&top=0&left=0&areaWith=1&areaHeight=1",
            "operation=rotate&angle=90",
            "operation=blur&sigma=50",
            "operation=rotate&operation=resize&operation=blur&angle=270&width=7&sigma=0.3&grayscale=1",
        ] {
            for source in [&name, &name.replace("png", "jpg")] {
                for format in ["png", "jpeg", "webp", "avif"] {
                    let answer = mortar.get(&format!("/media/{source}?{query}&format={format}"));
                    assert_eq!(answer.status, 200, "{source}?{query} as {format}: {}", answer.text());
                }
            }
        }
    }
    assert_eq!(mortar.actor("transform")["panics"], 0);
}

#[test]
fn a_progressive_jpeg_and_an_animated_webp_are_sources_too() {
    let presets = "[buckets.media.transform.presets.progressive.filters]\ninterlace = true\n";
    let mortar = Mortar::with("", presets);
    mortar.put("photo.jpg", &drawn_jpeg(160, 96));
    let progressive = mortar.get("/media/progressive/photo.jpg").body;
    assert!(has_segment(&progressive, 0xC2));
    mortar.put("progressive.jpg", &progressive);
    let shown = mortar.get("/media/progressive.jpg?format=png").picture();
    expect_close(&shown, &reference(160, 96), 4.0, "progressive");
    mortar.put("film.gif", &gif(80, 40, &[[200, 0, 0], [0, 200, 0], [0, 0, 200]]));
    mortar.put("film.webp", &mortar.get("/media/film.gif?format=webp").body);
    let film = mortar.get("/media/film.webp?width=40&format=gif");
    let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(&film.body)).unwrap();
    expect_film(
        &decoder.into_frames().collect_frames().unwrap(),
        &[[200, 0, 0], [0, 200, 0], [0, 0, 200]],
        "gif of webp",
    );
}

#[test]
fn a_broken_exif_segment_is_no_reason_to_refuse_a_picture() {
    let mortar = Mortar::start();
    let jpeg = drawn_jpeg(160, 96);
    for (name, content) in [
        ("empty", b"Exif\0\0".as_slice()),
        ("nonsense", b"Exif\0\0MM\0*\xFF\xFF\xFF\xFF"),
        ("orientation", &with_orientation(&jpeg, 99)[6..40]),
        ("profile", b"ICC_PROFILE\0\x01\x01 no profile"),
    ] {
        let marker = if name == "profile" { 0xE2 } else { 0xE1 };
        mortar.put(name, &with_segment(&jpeg, marker, content));
        assert_eq!(mortar.get(&format!("/media/{name}?width=80")).picture().dimensions(), (80, 48), "{name}");
    }
}

#[test]
fn quality_buys_bytes() {
    let mortar = Mortar::start();
    mortar.put("photo.jpg", &drawn_jpeg(640, 400));
    for format in ["jpeg", "webp", "avif"] {
        let bytes = |quality: u32| {
            mortar.get(&format!("/media/photo.jpg?width=320&format={format}&quality={quality}")).body.len()
        };
        let (low, high) = (bytes(20), bytes(90));
        assert!(low < high, "{format}: {low} bytes at 20, {high} at 90");
    }
}

#[test]
fn presets_make_progressive_jpegs_and_fit_inside() {
    let presets = r#"
[buckets.media.transform.presets.progressive.filters]
interlace = true
thumbnail = { width = 60 }
[buckets.media.transform.presets.inside.filters]
thumbnail = { width = 100, height = 100, mode = "outbound" }
[buckets.media.transform.presets.kept.filters]
thumbnail = { width = 100, height = 100, preserve_aspect_ratio = true }
[buckets.media.transform.presets.filled.filters]
thumbnail = { width = 100, height = 100, fill = true }
"#;
    let mortar = Mortar::with("", presets);
    mortar.put("photo.jpg", &drawn_jpeg(320, 200));
    let progressive = mortar.get("/media/progressive/photo.jpg");
    assert!(has_segment(&progressive.body, 0xC2), "no progressive frame");
    assert!(has_segment(&mortar.get("/media/small/photo.jpg").body, 0xC0), "no baseline frame");
    for (preset, size) in [("inside", (100, 63)), ("kept", (100, 63)), ("filled", (100, 100))] {
        let (width, height) = mortar.get(&format!("/media/{preset}/photo.jpg")).picture().dimensions();
        assert!(width == size.0 && height.abs_diff(size.1) <= 1, "{preset}: {width}x{height}");
    }
}

#[test]
fn a_watermark_lies_where_it_is_put_and_as_strong_as_it_is_asked() {
    let mortar = Mortar::start();
    mortar.put("base.png", &plain_png(90, 90, [0, 0, 0, 255]));
    mortar.put("logo.png", &plain_png(10, 10, [255, 255, 255, 255]));
    for (row, top) in [("top", 0), ("center", 30), ("bottom", 60)] {
        for (column, left) in [("left", 0), ("center", 30), ("right", 60)] {
            let query = format!("operation=watermark&image=/media/logo.png&position={row}-{column}&opacity=0.5");
            let shown = mortar.get(&format!("/media/base.png?{query}")).picture();
            for (x, y, pixel) in shown.enumerate_pixels() {
                let inside = (left..left + 10).contains(&x) && (top..top + 10).contains(&y);
                let expected = if inside { 128 } else { 0u8 };
                assert!(pixel[0].abs_diff(expected) <= 1, "{row}-{column}: {pixel:?} at {x},{y}");
            }
        }
    }
    for (opacity, expected) in [("1", 255u8), ("0.25", 64), ("0", 0)] {
        let query = format!("operation=watermark&image=/media/logo.png&position=top-left&opacity={opacity}");
        let shown = mortar.get(&format!("/media/base.png?{query}")).picture();
        assert!(shown.get_pixel(5, 5)[0].abs_diff(expected) <= 1, "{opacity}");
    }
}

#[test]
fn a_watermark_comes_from_an_allowed_host_and_is_fetched_once() {
    let logo = plain_png(10, 10, [255, 255, 255, 255]);
    let origin =
        Origin::start(move |asked| if asked.target == "/logo.png" { Reply::ok(&logo) } else { Reply::status(404) });
    let more = "[origins]\nallow_networks = [\"127.0.0.0/8\"]\n[watermarks]\nallowed_hosts = [\"127.0.0.1\"]\n";
    let mortar = Mortar::with("", more);
    mortar.put("base.png", &plain_png(90, 90, [0, 0, 0, 255]));
    let path = |host: &str, file: &str, width: u32| {
        let image = format!("http://{host}/{file}");
        format!(
            "/media/base.png?operation=resize&width={width}&operation=watermark&image={image}&position=top-left&opacity=1"
        )
    };
    for width in [90, 80, 70] {
        let shown = mortar.get(&path(&origin.address, "logo.png", width)).picture();
        assert_eq!(shown.get_pixel(5, 5).0, [255, 255, 255, 255]);
        assert_eq!(shown.get_pixel(20, 20).0, [0, 0, 0, 255]);
    }
    assert_eq!(origin.asked().len(), 1, "it is kept");
    let missing = mortar.get(&path(&origin.address, "other.png", 90));
    assert_eq!((missing.status, missing.error_code().as_str()), (400, "invalid_request"));
    assert!(missing.text().contains("watermark"), "{}", missing.text());
    let stranger = mortar.get(&path(&origin.address.replace("127.0.0.1", "localhost"), "logo.png", 90));
    assert_eq!((stranger.status, stranger.error_code().as_str()), (403, "forbidden"));
    assert_eq!(origin.asked().len(), 2);
}

#[test]
fn many_pictures_that_need_one_watermark_at_once_cost_one_fetch() {
    let origin = Origin::of(&plain_png(10, 10, [255, 255, 255, 255]));
    origin.hold();
    let more = "[origins]\nallow_networks = [\"127.0.0.0/8\"]\n[watermarks]\nallowed_hosts = [\"127.0.0.1\"]\n";
    let mortar = Mortar::with("", more);
    mortar.put("base.png", &plain_png(90, 90, [0, 0, 0, 255]));
    let image = format!("image=http://{}/logo.png&position=top-left&opacity=1", origin.address);
    let path = |width: u32| format!("/media/base.png?operation=resize&width={width}&operation=watermark&{image}");
    let requests: Vec<_> = (50..60).map(|width| mortar.get_meanwhile(&path(width))).collect();
    harness::wait_for("all to wait", || (mortar.detail("lock")["live"] == 10).then_some(()));
    origin.wait_for_requests(1);
    origin.release();
    for request in requests {
        assert_eq!(request.join().unwrap().picture().get_pixel(5, 5).0, [255, 255, 255, 255]);
    }
    assert_eq!(origin.asked().len(), 1);
}

#[test]
fn a_watermark_that_could_not_be_fetched_is_tried_again() {
    let logo = plain_png(10, 10, [255, 255, 255, 255]);
    let asked_before = std::sync::atomic::AtomicBool::new(false);
    let origin = Origin::start(move |_| {
        let again = asked_before.swap(true, std::sync::atomic::Ordering::Relaxed);
        if again { Reply::ok(&logo) } else { Reply::status(500) }
    });
    let more = "[origins]\nallow_networks = [\"127.0.0.0/8\"]\n[watermarks]\nallowed_hosts = [\"127.0.0.1\"]\n";
    let mortar = Mortar::with("", more);
    mortar.put("base.png", &plain_png(90, 90, [0, 0, 0, 255]));
    let image = format!("image=http://{}/logo.png&position=top-left&opacity=1", origin.address);
    let path = format!("/media/base.png?operation=watermark&{image}");
    assert_eq!(mortar.get(&path).status, 502);
    assert_eq!(mortar.get(&path).picture().get_pixel(5, 5).0, [255, 255, 255, 255]);
}

#[test]
fn a_watermark_that_is_missing_or_broken_is_told_as_such() {
    let mortar = Mortar::start();
    mortar.put("base.png", &plain_png(90, 90, [0, 0, 0, 255]));
    mortar.put("broken.png", b"no picture");
    let of = |image: &str| format!("/media/base.png?operation=watermark&image={image}&position=top-left&opacity=1");
    for (image, status) in [
        ("/media/missing.png", 400),
        ("/nowhere/logo.png", 400),
        ("/media/broken.png", 422),
        ("/media/../secret", 400),
        ("nonsense", 400),
        ("file:///etc/passwd", 400),
        ("http://127.0.0.1:1/logo.png", 403),
    ] {
        let answer = mortar.get(&of(image));
        assert_eq!(answer.status, status, "{image}: {}", answer.text());
        assert!(!answer.error_code().is_empty());
    }
}

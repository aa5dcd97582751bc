//! What a picture may cost: every limit refuses with its own status, before the work, and harms nobody else.

mod harness;

use harness::pictures::{gif, plain_png, promising_png};
use harness::{Mortar, decode, drawn, drawn_jpeg, png};

/// Limits small enough to be reached by small pictures.
const SMALL: &str = r#"
[limits]
source_bytes = "64KiB"
source_pixels = 40000
output_side = 1000
output_pixels = 300000
frames = 3
watermark_bytes = "1KiB"
operations = 3
"#;

fn refusal(mortar: &Mortar, path: &str) -> (u16, String) {
    let answer = mortar.get(path);
    (answer.status, answer.error_code())
}

#[test]
fn each_limit_has_its_own_answer() {
    let mortar = Mortar::with("", SMALL);
    let noise: Vec<u8> = (0u32..100 * 1024).map(|each| (each.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    mortar.put("a.jpg", &drawn_jpeg(200, 160));
    mortar.put("many-bytes.jpg", &[drawn_jpeg(20, 10), noise].concat());
    mortar.put("many-pixels.png", &plain_png(300, 200, [9, 9, 9, 255]));
    mortar.put("many-frames.gif", &gif(20, 10, &[[0; 3], [60; 3], [120; 3], [180; 3]]));
    let photo = png(&drawn(40, 40).into());
    assert!(photo.len() > 1024);
    mortar.put("heavy-mark.png", &photo);
    let mark = "operation=watermark&image=/media/heavy-mark.png&position=top-left&opacity=1";
    let many = "operation=resize&operation=rotate&operation=blur&operation=crop&width=10&height=10&angle=90&sigma=1";
    for (path, status, code) in [
        ("/media/many-bytes.jpg?width=10".to_owned(), 413, "too_large"),
        ("/media/many-pixels.png?width=10".to_owned(), 422, "unprocessable_image"),
        ("/media/many-frames.gif?width=10".to_owned(), 422, "unprocessable_image"),
        ("/media/a.jpg?width=1001".to_owned(), 400, "invalid_request"),
        ("/media/a.jpg?operation=crop&width=1001&height=10".to_owned(), 400, "invalid_request"),
        ("/media/a.jpg?width=700&height=700".to_owned(), 400, "invalid_request"),
        // The side that follows from the other one counts too.
        ("/media/a.jpg?height=900".to_owned(), 400, "invalid_request"),
        (format!("/media/a.jpg?{mark}"), 413, "too_large"),
        (format!("/media/a.jpg?{many}"), 400, "invalid_request"),
    ] {
        assert_eq!(refusal(&mortar, &path), (status, code.to_owned()), "{path}");
    }
    assert_eq!(mortar.get("/media/many-bytes.jpg").status, 200, "an original that is not rendered costs no render");
    assert_eq!(mortar.get("/media/a.jpg?width=500").picture().dimensions(), (500, 400));
}

#[test]
fn at_the_limit_everything_still_works() {
    let mortar = Mortar::with("", SMALL);
    mortar.put("full.png", &plain_png(200, 200, [9, 9, 9, 255]));
    mortar.put("wide.png", &plain_png(200, 40, [9, 9, 9, 255]));
    mortar.put("frames.gif", &gif(20, 10, &[[0; 3], [60; 3], [120; 3]]));
    for (path, size) in [
        ("/media/full.png?width=10", (10, 10)),
        ("/media/wide.png?width=1000", (1000, 200)),
        ("/media/wide.png?width=1000&height=300", (1000, 300)),
        ("/media/frames.gif?width=10", (10, 5)),
        ("/media/full.png?operation=crop&operation=blur&width=10&height=10&sigma=1&grayscale=1", (10, 10)),
    ] {
        assert_eq!(mortar.get(path).picture().dimensions(), size, "{path}");
    }
}

#[test]
fn a_picture_that_promises_too_much_is_refused_by_its_header() {
    let mortar = Mortar::start();
    mortar.put("bomb.png", &promising_png(100_000, 100_000));
    mortar.put("widest.png", &promising_png(u32::MAX >> 1, 1));
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    let begun = mortar.stats()["process"]["peak_resident_bytes"].as_u64().unwrap();
    for name in ["bomb.png", "widest.png"] {
        assert_eq!(refusal(&mortar, &format!("/media/{name}?width=10")).0, 422, "{name}");
    }
    let ended = mortar.stats()["process"]["peak_resident_bytes"].as_u64().unwrap();
    assert!(ended - begun < 32 << 20, "{begun} bytes before, {ended} after");
    assert_eq!(mortar.get("/media/a.jpg?width=10").status, 200);
}

#[test]
fn a_picture_that_holds_less_than_it_promises_is_refused() {
    let mortar = Mortar::start();
    mortar.put("hollow.png", &promising_png(4_000, 4_000));
    assert_eq!(refusal(&mortar, "/media/hollow.png?width=10"), (422, "unprocessable_image".to_owned()));
}

#[test]
fn a_render_that_alone_needs_more_memory_than_all_may_take_is_refused() {
    let mortar = Mortar::with("", "[limits]\nrender_memory_bytes = \"16MiB\"\n");
    mortar.put("large.png", &plain_png(3_000, 3_000, [9, 9, 9, 255]));
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    assert_eq!(refusal(&mortar, "/media/large.png?width=10"), (422, "unprocessable_image".to_owned()));
    assert_eq!(mortar.get("/media/a.jpg?width=10").status, 200);
}

#[test]
fn huge_requested_sizes_are_refused_before_the_original_is_read() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    for query in [
        "width=2147483647",
        "width=4294967296",
        "height=9999999",
        "operation=crop&width=999999&height=999999",
        "operation=resizeCropAuto&width=999999&height=999999",
    ] {
        assert_eq!(refusal(&mortar, &format!("/media/a.jpg?{query}")).0, 400, "{query}");
    }
    assert_eq!(mortar.actor("storage")["handled"], 0, "nothing was read");
}

#[test]
fn an_area_outside_the_picture_is_an_answer_and_not_a_crash() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    for query in ["top=100&left=0", "top=0&left=60", "top=4294967295&left=4294967295&areaWith=4294967295&areaHeight=1"]
    {
        assert_eq!(refusal(&mortar, &format!("/media/a.jpg?operation=extract&{query}")).0, 400, "{query}");
    }
    assert_eq!(mortar.stats()["http"]["panics"], 0);
}

#[test]
fn corrupt_pictures_are_a_422_with_a_reason_and_the_next_request_works() {
    let mortar = Mortar::start();
    let jpeg = drawn_jpeg(300, 200);
    let whole = png(&drawn(300, 200).into());
    let webp = {
        mortar.put("a.jpg", &jpeg);
        mortar.get("/media/a.jpg?width=200&format=webp").body
    };
    let avif = mortar.get("/media/a.jpg?width=200&format=avif").body;
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0xFF;
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("one-byte", vec![0xFF]),
        ("text", b"this is no picture at all, not even nearly".to_vec()),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'/>".to_vec()),
        ("head-of-jpeg", jpeg[..40].to_vec()),
        ("half-of-jpeg", half(&jpeg)),
        ("head-of-png", whole[..24].to_vec()),
        ("half-of-png", half(&whole)),
        ("flipped-png", flipped),
        ("half-of-webp", half(&webp)),
        ("half-of-avif", half(&avif)),
        ("half-of-gif", half(&gif(60, 40, &[[0; 3], [200; 3]]))),
        ("bmp", [b"BM".as_slice(), &[0xFF; 60]].concat()),
        ("tiff", [b"II*\0".as_slice(), &[0xFF; 60]].concat()),
    ] {
        mortar.put(name, &bytes);
        for query in ["width=50", "format=png"] {
            let answer = mortar.get(&format!("/media/{name}?{query}"));
            assert_eq!((answer.status, answer.error_code().as_str()), (422, "unprocessable_image"), "{name}?{query}");
        }
    }
    assert_eq!(mortar.get("/media/a.jpg?width=50").picture().dimensions(), (50, 33));
    assert_eq!(mortar.stats()["http"]["panics"], 0);
    assert_eq!(mortar.actor("transform")["restarts"], 0);
    assert_eq!(mortar.actor("transform")["panics"], 0);
    assert_eq!(mortar.internal("/ready").status, 200);
}

#[test]
fn a_corrupt_picture_is_never_kept_and_a_mended_one_is_served() {
    let mortar = Mortar::start();
    let jpeg = drawn_jpeg(300, 200);
    mortar.put("a.jpg", &jpeg[..jpeg.len() / 2]);
    assert_eq!(mortar.get("/media/a.jpg?width=50").status, 422);
    mortar.put("a.jpg", &jpeg);
    let mended = mortar.get("/media/a.jpg?width=50");
    assert_eq!(mended.status, 200);
    assert_eq!(decode(&mended.body).dimensions(), (50, 33));
}

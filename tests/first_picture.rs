//! A picture is put into a bucket and asked for by URL: it comes resized, is remembered, and stays the same.

mod harness;

use harness::{Mortar, decode, drawn, drawn_jpeg, files_below, mean_difference, wait_for};

#[test]
fn a_picture_is_resized_by_query_and_by_preset() {
    let mortar = Mortar::start();
    mortar.put("photo.jpg", &drawn_jpeg(800, 640));
    for (path, size) in [
        ("/media/photo.jpg?width=400", (400, 320)),
        ("/media/photo.jpg?width=400&height=100", (400, 100)),
        ("/media/photo.jpg?operation=crop&width=200&height=200&gravity=center", (200, 200)),
        ("/media/small/photo.jpg", (100, 80)),
    ] {
        let answer = mortar.get(path);
        assert_eq!(answer.header("content-type"), "image/jpeg", "{path}");
        assert_eq!(answer.picture().dimensions(), size, "{path}");
        assert_eq!(answer.header("x-amz-meta-public-width"), size.0.to_string());
        assert_eq!(answer.header("x-amz-meta-public-height"), size.1.to_string());
    }
}

#[test]
fn the_result_looks_like_the_source() {
    let mortar = Mortar::start();
    mortar.put("photo.jpg", &drawn_jpeg(1600, 1280));
    let expected = image::imageops::resize(&drawn(1600, 1280), 400, 320, image::imageops::FilterType::Lanczos3);
    let expected = image::DynamicImage::ImageRgb8(expected).to_rgba8();
    for format in ["jpeg", "webp", "png"] {
        let answer = mortar.get(&format!("/media/photo.jpg?width=400&quality=90&format={format}"));
        let difference = mean_difference(&answer.picture(), &expected);
        assert!(difference < 4.0, "{format}: the samples differ by {difference} on average");
    }
}

#[test]
fn an_original_is_served_as_it_is() {
    let mortar = Mortar::start();
    let photo = drawn_jpeg(300, 200);
    mortar.put("dir/photo.jpg", &photo);
    let answer = mortar.get("/media/dir/photo.jpg");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, photo);
    assert_eq!(answer.header("content-length"), photo.len().to_string());
    assert_eq!(answer.header("content-type"), "image/jpeg");
}

#[test]
fn a_second_request_is_a_hit_and_renders_nothing() {
    let mortar = Mortar::start();
    mortar.put("photo.jpg", &drawn_jpeg(800, 640));
    let first = mortar.get("/media/photo.jpg?width=300");
    let second = mortar.get("/media/photo.jpg?width=300");
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("etag"), second.header("etag"));
    assert_eq!(mortar.actor("transform")["handled"], 1);
    assert_eq!(mortar.actor("cache")["detail"]["cache"]["memory_hits"], 1);
}

#[test]
fn parameters_in_another_order_are_the_same_request() {
    let mortar = Mortar::start();
    mortar.put("photo.jpg", &drawn_jpeg(800, 640));
    let one = mortar.get("/media/photo.jpg?width=300&quality=50&format=webp");
    let other = mortar.get("/media/photo.jpg?format=webp&quality=50&width=300");
    assert_eq!(one.body, other.body);
    assert_eq!(mortar.actor("transform")["handled"], 1);
}

#[test]
fn the_etag_and_the_bytes_survive_a_restart() {
    let mortar = Mortar::start();
    mortar.put("photo.jpg", &drawn_jpeg(800, 640));
    let before = mortar.get("/media/photo.jpg?width=300");
    assert!(before.header("etag").starts_with('"') && before.header("etag").ends_with('"'));
    let results = mortar.results();
    wait_for("the stored result", || (!files_below(&results).is_empty()).then_some(()));

    let mortar = mortar.restart();
    let after = mortar.get("/media/photo.jpg?width=300");
    assert_eq!(after.body, before.body);
    assert_eq!(after.header("etag"), before.header("etag"));
    assert_eq!(mortar.actor("transform")["handled"], 0, "the result came from its store");
}

#[test]
fn formats_are_converted_and_alpha_survives_where_it_can() {
    let mortar = Mortar::start();
    let mut picture = image::DynamicImage::ImageRgb8(drawn(200, 160)).to_rgba8();
    picture.pixels_mut().take(200 * 80).for_each(|pixel| pixel[3] = 0);
    mortar.put("cut.png", &harness::png(&picture.into()));
    for format in ["png", "webp"] {
        let shown = mortar.get(&format!("/media/cut.png?width=100&format={format}")).picture();
        assert_eq!(shown.get_pixel(50, 10)[3], 0, "{format}");
        assert_eq!(shown.get_pixel(50, 70)[3], 255, "{format}");
    }
    let flat = mortar.get("/media/cut.png?width=100&format=jpeg");
    assert_eq!(decode(&flat.body).get_pixel(50, 10).0, [255, 255, 255, 255], "transparency turns white");
}

//! What a new user meets: one command, one URL, a picture.

mod harness;

use harness::Mortar;

#[test]
fn the_built_in_configuration_shows_a_picture_on_the_first_run() {
    let mut mortar = Mortar::built_in();
    let sample = mortar.get("/media/sample.jpg");
    assert_eq!((sample.status, sample.header("content-type")), (200, "image/jpeg"));
    assert_eq!(sample.header("x-content-type-options"), "nosniff");
    assert_eq!(sample.header("cache-control"), "public, max-age=86400");
    for (path, width) in [
        ("/media/sample.jpg/small", 320),
        ("/media/sample.jpg/medium", 800),
        ("/media/sample.jpg/large", 1600),
        ("/media/sample.jpg/square", 300),
        ("/media/sample.jpg?width=123&format=webp", 123),
    ] {
        assert_eq!(mortar.get(path).picture().width(), width, "{path}");
    }
    assert_eq!(mortar.internal("/ready").status, 200);
    assert_eq!(mortar.terminate().code(), Some(0));
}

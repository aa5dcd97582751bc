//! Headers beside the picture: rules by status and bucket, CORS, the debug header, the placeholder.

mod harness;

use harness::{Mortar, drawn_jpeg};
use serde_json::Value;

const RULES: &str = r#"
[[headers]]
status_codes = [200]
values = { "cache-control" = "public, max-age=600", "x-rule" = "first" }
[[headers]]
status_codes = [200, 404]
override = false
values = { "x-rule" = "second", "x-second" = "yes" }
[[headers]]
status_codes = [400]
override = true
values = { "content-type" = "application/problem+json" }

[buckets.media.headers]
x-content-type-options = "nosniff"
x-rule = "of the bucket"
"#;

const DEBUG: (&str, &str) = ("x-mortar-debug", "1");

#[test]
fn rules_apply_by_status_and_what_is_there_is_kept_unless_overridden() {
    let mortar = Mortar::with("", RULES);
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    for path in ["/media/a.jpg", "/media/a.jpg?width=20", "/%6dedia/a.jpg"] {
        let found = mortar.get(path);
        assert_eq!(found.header("cache-control"), "public, max-age=600", "{path}");
        assert_eq!(found.header("x-rule"), "of the bucket", "{path}");
        assert_eq!(found.header("x-second"), "yes", "{path}");
        assert_eq!(found.header("x-content-type-options"), "nosniff", "{path}");
    }
    let missing = mortar.get("/media/b.jpg");
    assert_eq!((missing.header("x-rule"), missing.header("x-second")), ("of the bucket", "yes"));
    assert_eq!(missing.header("x-content-type-options"), "nosniff");
    assert_eq!(missing.header("cache-control"), "", "an error is not kept as long as a picture");
    let elsewhere = mortar.get("/nowhere/b.jpg");
    assert_eq!((elsewhere.header("x-rule"), elsewhere.header("x-content-type-options")), ("second", ""));
    let wrong = mortar.get("/media/a.jpg?width=x");
    assert_eq!(wrong.header("content-type"), "application/problem+json");
}

#[test]
fn the_caching_of_a_picture_is_told_again_by_its_parts_and_its_304() {
    let mortar = Mortar::with("", RULES);
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    let whole = mortar.get("/media/a.jpg?width=20");
    let part = mortar.get_with("/media/a.jpg?width=20", &[("range", "bytes=0-9")]);
    let known = mortar.get_with("/media/a.jpg?width=20", &[("if-none-match", whole.header("etag"))]);
    assert_eq!((part.status, known.status), (206, 304));
    for answer in [part, known] {
        assert_eq!(answer.header("cache-control"), "public, max-age=600", "{}", answer.status);
        assert_eq!(answer.header("etag"), whole.header("etag"));
    }
}

#[test]
fn everybody_may_read_pictures_and_errors_unless_told_otherwise() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    for path in ["/media/a.jpg", "/media/a.jpg?width=20", "/media/b.jpg", "/media/a.jpg?width=x"] {
        let answer = mortar.get_with(path, &[("origin", "https://page.example")]);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert!(answer.header("access-control-expose-headers").to_lowercase().contains("etag"), "{path}");
        assert_eq!(answer.header("vary"), "", "{path}: nothing depends on a header");
    }
}

#[test]
fn listed_origins_are_told_themselves_and_caches_are_told_of_it() {
    let cors = "[server.cors]\nallow_origins = [\"https://page.example\"]\n";
    let mortar = Mortar::with("", cors);
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    for path in ["/media/a.jpg", "/media/a.jpg?width=20", "/media/b.jpg"] {
        let friend = mortar.get_with(path, &[("origin", "https://page.example")]);
        assert_eq!(friend.header("access-control-allow-origin"), "https://page.example");
        let stranger = mortar.get_with(path, &[("origin", "https://other.example")]);
        assert_eq!(stranger.header("access-control-allow-origin"), "");
        for answer in [friend, stranger, mortar.get(path)] {
            assert_eq!(answer.header("vary").to_lowercase(), "origin", "{path}");
        }
    }
}

#[test]
fn cors_can_be_switched_off() {
    let mortar = Mortar::with("", "[server.cors]\nenabled = false\n");
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    let answer = mortar.get_with("/media/a.jpg", &[("origin", "https://page.example")]);
    assert_eq!(answer.status, 200);
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
}

#[test]
fn a_preflight_is_answered_without_reading_anything() {
    let mortar = Mortar::start();
    let headers = [
        ("origin", "https://page.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "range"),
    ];
    for path in ["/media/missing.jpg?width=20", "/nowhere", "/media/%zz"] {
        let answer = mortar.ask("OPTIONS", path, &headers);
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(answer.header("access-control-allow-methods").contains("GET"));
        assert!(answer.header("access-control-allow-headers").to_lowercase().contains("range"));
        assert_eq!(answer.header("access-control-max-age"), "86400");
    }
    let plain = mortar.ask("OPTIONS", "/media/a.jpg", &[]);
    assert_eq!((plain.status, plain.header("allow")), (204, "GET, HEAD, OPTIONS"));
    assert_eq!(mortar.actor("storage")["handled"], 0);
}

#[test]
fn a_request_id_is_taken_over_or_made_and_never_forged_into_the_log() {
    let mortar = Mortar::with("access_logs = true", "");
    let taken = mortar.get_with("/media/a.jpg", &[("x-request-id", "my-id-1")]);
    assert_eq!(taken.header("x-request-id"), "my-id-1");
    assert_eq!(taken.json()["error"]["request_id"], "my-id-1");
    let made: Vec<String> = (0..2).map(|_| mortar.get("/media/a.jpg").header("x-request-id").to_owned()).collect();
    assert!(made.iter().all(|id| id.len() >= 16) && made[0] != made[1], "{made:?}");
    let long = "x".repeat(4_000);
    let replaced = mortar.get_with("/media/a.jpg", &[("x-request-id", &long)]);
    assert!(replaced.header("x-request-id").len() <= 200);
    harness::wait_for("a log line with the id", || {
        mortar.log().iter().any(|line| line.contains("my-id-1")).then_some(())
    });
}

#[test]
fn the_debug_header_explains_a_request_only_where_it_is_allowed() {
    let silent = Mortar::start();
    silent.put("a.jpg", &drawn_jpeg(60, 40));
    let answer = silent.get_with("/media/a.jpg?width=20", &[DEBUG]);
    assert_eq!((answer.status, answer.header("x-mortar-explanation")), (200, ""));
    drop(silent);

    let mortar = Mortar::with("debug_header = true", "");
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    let explained = |path: &str| -> Value {
        let answer = mortar.get_with(path, &[DEBUG]);
        assert_eq!(answer.header("cache-control"), "no-store");
        serde_json::from_str(answer.header("x-mortar-explanation")).unwrap()
    };
    let cold = explained("/media/a.jpg?width=20");
    assert_eq!(cold["tier"], "rendered");
    assert_eq!(cold["original"]["key"], "a.jpg");
    assert!(cold["result"]["key"].as_str().unwrap().starts_with("a.jpg/"));
    let stages: Vec<&str> =
        cold["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap()).collect();
    for stage in ["original", "decode", "resize", "encode"] {
        assert!(stages.contains(&stage), "{stage} is missing in {stages:?}");
    }
    assert_eq!(explained("/media/a.jpg?width=20")["tier"], "memory");
    mortar.wait_until_stored(1);
    let plain = mortar.get("/media/a.jpg?width=20");
    assert_eq!(plain.header("x-mortar-explanation"), "", "nobody asked");
    let mortar = mortar.restart();
    let stored = mortar.get_with("/media/a.jpg?width=20", &[DEBUG]);
    assert!(stored.header("x-mortar-explanation").contains("result-store"));
}

#[test]
fn a_placeholder_is_shown_with_the_status_of_the_error() {
    let mortar = Mortar::with_files(
        &[("placeholder.jpg", &drawn_jpeg(200, 160))],
        "placeholder = \"placeholder.jpg\"",
        "[[headers]]\nstatus_codes = [422]\nvalues = { \"x-rule\" = \"seen\" }\n",
    );
    mortar.put("broken.jpg", b"\xFF\xD8\xFF\xE0 no picture");
    let shown = mortar.get("/media/broken.jpg?width=50");
    assert_eq!((shown.status, shown.header("content-type")), (422, "image/jpeg"));
    assert_eq!(harness::decode(&shown.body).dimensions(), (50, 40));
    assert_eq!((shown.header("x-rule"), shown.header("etag")), ("seen", ""));
    assert!(!shown.header("cache-control").contains("max-age"));
    let again = mortar.get("/media/broken.jpg?width=50");
    assert_eq!((again.status, again.body), (422, shown.body));
    // A missing picture and a wrong request are better told in words.
    assert_eq!(mortar.get("/media/missing.jpg?width=50").error_code(), "not_found");
    assert_eq!(mortar.get("/media/broken.jpg?width=x").error_code(), "invalid_request");
    let head = mortar.ask("HEAD", "/media/broken.jpg?width=50", &[]);
    assert_eq!((head.status, head.body.len()), (422, 0));
}

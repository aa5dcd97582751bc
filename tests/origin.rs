//! Originals behind an HTTP origin: what it is asked, how far it is trusted, and what its failures become.

mod harness;

use harness::origin::{ALLOW_LOOPBACK, Origin, Reply, remote_bucket};
use harness::wire::Wire;
use harness::{Mortar, drawn_jpeg, files_below};

fn start(origin: &Origin) -> Mortar {
    Mortar::with("", &format!("{ALLOW_LOOPBACK}{}", origin.bucket()))
}

/// The status and code of an error, for comparison in one line.
fn refusal(mortar: &Mortar, path: &str) -> (u16, String) {
    let answer = mortar.get(path);
    (answer.status, answer.error_code())
}

#[test]
fn placeholders_and_headers_are_those_of_the_configuration() {
    let origin = Origin::of(&drawn_jpeg(20, 10));
    let address = format!("{}/files/<item>?of=<container>&", origin.address);
    let bucket = remote_bucket("unused", "headers = { \"x-token\" = \"of-${PATH}\" }\nbucket = \"pictures\"");
    let bucket = bucket.replace("http://unused/<container>/<item>", &format!("http://{address}"));
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{bucket}"));
    assert_eq!(mortar.get("/remote/gr%C3%BCn%20%26%3F.jpg").status, 200);
    let asked = &origin.asked()[0];
    assert!(asked.header("x-token").starts_with("of-/"), "{}", asked.header("x-token"));
    assert_eq!(asked.header("accept-encoding"), "identity");
    let (path, query) = asked.target.split_once('?').unwrap();
    assert_eq!(path, "/files/gr%C3%BCn%20%26%3F.jpg");
    assert!(query.starts_with("of=pictures"), "{query}");
}

#[test]
fn an_original_streams_through_with_what_the_origin_says_of_it() {
    let picture = drawn_jpeg(200, 160);
    let body = picture.clone();
    let origin = Origin::start(move |_| {
        let headers = [
            ("content-type", "image/jpeg"),
            ("etag", "\"v7\""),
            ("last-modified", "Tue, 14 Nov 2023 22:13:20 GMT"),
            ("set-cookie", "secret=1"),
            ("x-amz-meta-author", "me"),
            ("server", "inner"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Reply::Whole(200, headers.to_vec(), body.clone())
    });
    let mortar = start(&origin);
    let answer = mortar.get("/remote/a.jpg");
    assert_eq!((answer.status, answer.body), (200, picture.clone()));
    let headers = &answer.headers;
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("etag", "\"v7\""),
        ("last-modified", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("x-amz-meta-author", "me"),
    ] {
        assert_eq!(headers[name], value);
    }
    assert!(!headers.contains_key("set-cookie") && !headers.contains_key("server"), "these stay with the origin");
    let part = mortar.get_with("/remote/a.jpg", &[("range", "bytes=10-19")]);
    assert_eq!((part.status, part.body.as_slice()), (206, &picture[10..20]), "also from an origin without ranges");
    assert_eq!(mortar.get_with("/remote/a.jpg", &[("if-none-match", "\"v7\"")]).status, 304);
    let head = mortar.ask("HEAD", "/remote/a.jpg", &[]);
    assert_eq!(head.header("content-length"), picture.len().to_string());
    assert_eq!(origin.asked().last().unwrap().method, "HEAD");
}

#[test]
fn only_not_found_is_a_miss_and_failures_of_the_origin_are_told_as_such() {
    let origin = Origin::start(|asked| match asked.target.rsplit('/').next().unwrap() {
        "gone.jpg" => Reply::status(410),
        "broken.jpg" => Reply::status(500),
        "busy.jpg" => Reply::Whole(503, vec![("retry-after".to_owned(), "7".to_owned())], Vec::new()),
        "locked.jpg" => Reply::status(403),
        "login.jpg" => Reply::status(401),
        _ => Reply::status(404),
    });
    let more = "[actors.storage]\nbreaker_failures = 100\n";
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{more}{}", origin.bucket()));
    for suffix in ["", "?width=50"] {
        for (name, status, code) in [
            ("missing.jpg", 404, "not_found"),
            ("gone.jpg", 404, "not_found"),
            ("broken.jpg", 502, "upstream_error"),
            ("busy.jpg", 502, "upstream_error"),
            ("locked.jpg", 502, "upstream_error"),
            ("login.jpg", 502, "upstream_error"),
        ] {
            assert_eq!(
                refusal(&mortar, &format!("/remote/{name}{suffix}")),
                (status, code.to_owned()),
                "{name}{suffix}"
            );
        }
    }
    assert_eq!(mortar.get("/remote/busy.jpg").header("retry-after"), "7");
    assert_eq!(mortar.actor("transform")["handled"], 0, "nothing was rendered");
}

#[test]
fn a_failing_origin_is_left_alone_for_a_while_and_the_service_says_so() {
    let origin = Origin::start(|_| Reply::status(500));
    let more = "[actors.storage]\nbreaker_failures = 3\nbreaker_cooldown = \"1h\"\n";
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{more}{}", origin.bucket()));
    for attempt in 0..10 {
        let (status, _) = refusal(&mortar, &format!("/remote/{attempt}.jpg?width=50"));
        assert!(status == 502 || status == 503, "{status}");
    }
    assert_eq!(origin.asked().len(), 3, "the rest was refused without asking");
    let ready = mortar.internal("/ready");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("remote/basic"), "{}", ready.text());
    assert_eq!(mortar.internal("/health").status, 200, "a restart would not help");
    mortar.put("a.jpg", &drawn_jpeg(20, 10));
    assert_eq!(mortar.get("/media/a.jpg?width=10").status, 200, "other buckets go on");
}

#[test]
fn a_body_that_breaks_off_is_a_502_and_nothing_is_kept_of_it() {
    let picture = drawn_jpeg(200, 160);
    // That many bytes are promised beyond those that come.
    let length = picture.len() + 1_000;
    let origin = Origin::start(move |_| Reply::CutOff(picture.clone()));
    let mortar = start(&origin);
    assert_eq!(refusal(&mortar, "/remote/a.jpg?width=50"), (502, "upstream_error".to_owned()));
    mortar.wait_until_idle();
    assert_eq!(mortar.detail("cache")["entries"], 0);
    assert_eq!(mortar.detail("store-back")["written"], 0);
    assert!(files_below(&mortar.root().join("results")).is_empty());
    let streamed = Wire::asking(&mortar, "/remote/a.jpg").rest();
    assert!(streamed.len() < length, "a streamed original never looks whole: {} bytes", streamed.len());
}

#[test]
fn a_source_above_the_limit_is_refused_when_it_is_announced() {
    let origin = Origin::of(&vec![0; 200_000]);
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}[limits]\nsource_bytes = 100000\n{}", origin.bucket()));
    assert_eq!(refusal(&mortar, "/remote/a.jpg?width=50"), (413, "too_large".to_owned()));
    assert_eq!(mortar.get("/remote/a.jpg").status, 200, "as it is, it streams through");
    let small = ALLOW_LOOPBACK.to_owned() + "max_body_bytes = 100000\n";
    let mortar = Mortar::with("", &format!("{small}{}", origin.bucket()));
    assert_eq!(refusal(&mortar, "/remote/a.jpg"), (413, "too_large".to_owned()));
}

#[test]
fn redirects_are_followed_a_few_times() {
    let picture = drawn_jpeg(20, 10);
    let origin = Origin::start(move |asked| match asked.target.as_str() {
        "/remote/once.jpg" => Reply::redirect("/elsewhere/a.jpg"),
        "/elsewhere/a.jpg" => Reply::ok(&picture),
        _ => Reply::redirect("/remote/endless.jpg"),
    });
    let mortar = start(&origin);
    assert_eq!(mortar.get("/remote/once.jpg?width=10").picture().dimensions(), (10, 5));
    assert_eq!(refusal(&mortar, "/remote/endless.jpg").0, 502);
    assert_eq!(origin.asked().len(), 2 + 4, "three redirects are followed, not more");
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let other = Origin::of(&drawn_jpeg(20, 10));
    let target = format!("http://{}/a.jpg", other.address);
    let origin = Origin::start(move |_| Reply::redirect(&target));
    let bucket = remote_bucket(&origin.address, "headers = { authorization = \"Bearer secret\" }");
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{bucket}"));
    assert_eq!(mortar.get("/remote/a.jpg").status, 200);
    assert_eq!(origin.asked()[0].header("authorization"), "Bearer secret");
    assert_eq!(other.asked()[0].header("authorization"), "");
}

#[test]
fn private_addresses_are_never_connected_to_unless_allowed() {
    let origin = Origin::of(&drawn_jpeg(20, 10));
    let port = origin.address.split(':').nth(1).unwrap();
    for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]"] {
        let mortar = Mortar::with("", &remote_bucket(&format!("{host}:{port}"), ""));
        for path in ["/remote/a.jpg", "/remote/a.jpg?width=10"] {
            let answer = mortar.get(path);
            assert!(matches!(answer.status, 403 | 502), "{host}: {} {}", answer.status, answer.text());
            assert!(!answer.text().contains(port) && !answer.text().contains("127.0"), "{}", answer.text());
        }
    }
    assert_eq!(origin.asked().len(), 0);
}

#[test]
fn a_redirect_to_a_private_address_or_another_scheme_is_not_followed() {
    for target in ["http://169.254.169.254/latest", "http://10.0.0.1/a.jpg", "file:///etc/passwd", "http://[::1]/a"] {
        let origin = Origin::start(move |_| Reply::redirect(target));
        let mortar = start(&origin);
        let answer = mortar.get("/remote/a.jpg");
        assert!(matches!(answer.status, 403 | 502), "{target}: {}", answer.status);
        assert!(!answer.text().contains("169.254") && !answer.text().contains("10.0"), "{}", answer.text());
        assert_eq!(origin.asked().len(), 1);
    }
}

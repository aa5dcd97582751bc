//! Asking for less than everything: validators, HEAD, and ranges, of results and of streamed originals.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

use harness::wire::Wire;
use harness::{Answer, Mortar, drawn_jpeg};

/// An original, and the result of a transform.
const PATHS: [&str; 2] = ["/media/a.jpg", "/media/a.jpg?width=100"];

fn start() -> Mortar {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(200, 160));
    mortar
}

/// The answers to one path, first the plain one.
fn each_path(check: impl Fn(&Mortar, &str, Answer)) {
    let mortar = start();
    for path in PATHS {
        let whole = mortar.get(path);
        assert_eq!(whole.status, 200);
        check(&mortar, path, whole);
    }
}

#[test]
fn validators_are_strong_and_stay_the_same_for_the_same_picture() {
    each_path(|mortar, path, whole| {
        let etag = whole.header("etag");
        assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{path}: {etag}");
        assert!(httpdate::parse_http_date(whole.header("last-modified")).is_ok(), "{path}");
        assert_eq!(whole.header("accept-ranges"), "bytes", "{path}");
        let again = mortar.get(path);
        assert_eq!((again.header("etag"), &again.body), (etag, &whole.body), "{path}");
    });
}

#[test]
fn different_pictures_have_different_validators() {
    let mortar = start();
    let etag = |path: &str| mortar.get(path).header("etag").to_owned();
    assert_ne!(etag("/media/a.jpg?width=100"), etag("/media/a.jpg?width=101"));
    assert_ne!(etag("/media/a.jpg"), etag("/media/a.jpg?width=100"));
    let before = etag("/media/a.jpg");
    mortar.put("a.jpg", &drawn_jpeg(210, 160));
    assert_ne!(etag("/media/a.jpg"), before, "a changed original is another version");
}

#[test]
fn a_known_version_is_not_sent_again() {
    each_path(|mortar, path, whole| {
        let etag = whole.header("etag");
        let weak = format!("W/{etag}");
        let listed = format!("\"other\", {etag}");
        for value in [etag, &weak, &listed, "*"] {
            let known = mortar.get_with(path, &[("if-none-match", value)]);
            assert_eq!((known.status, known.body.len()), (304, 0), "{path}: {value}");
            assert_eq!(known.header("etag"), etag);
        }
        for value in ["\"other\"", "other", ""] {
            let answer = mortar.get_with(path, &[("if-none-match", value)]);
            assert_eq!((answer.status, answer.body == whole.body), (200, true), "{path}: {value}");
        }
        let head = mortar.ask("HEAD", path, &[("if-none-match", etag)]);
        assert_eq!(head.status, 304, "{path}");
    });
}

#[test]
fn a_date_decides_only_where_no_validator_is_given() {
    each_path(|mortar, path, whole| {
        let date = whole.header("last-modified");
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3_600));
        let earlier = "Sat, 01 Jan 2000 00:00:00 GMT";
        let status = |headers: &[(&str, &str)]| mortar.get_with(path, headers).status;
        assert_eq!(status(&[("if-modified-since", date)]), 304, "{path}");
        assert_eq!(status(&[("if-modified-since", earlier)]), 200, "{path}");
        assert_eq!(status(&[("if-modified-since", "yesterday")]), 200, "{path}");
        assert_eq!(status(&[("if-modified-since", &later), ("if-none-match", "\"other\"")]), 200, "{path}");
        assert_eq!(status(&[("if-unmodified-since", earlier)]), 412, "{path}");
        assert_eq!(status(&[("if-unmodified-since", date)]), 200, "{path}");
    });
}

#[test]
fn a_version_that_is_no_longer_there_is_a_412() {
    each_path(|mortar, path, whole| {
        let etag = whole.header("etag");
        let weak = format!("W/{etag}");
        assert_eq!(mortar.get_with(path, &[("if-match", etag)]).status, 200, "{path}");
        assert_eq!(mortar.get_with(path, &[("if-match", "*")]).status, 200, "{path}");
        for value in ["\"other\"", &weak] {
            let answer = mortar.get_with(path, &[("if-match", value)]);
            assert_eq!((answer.status, answer.error_code().as_str()), (412, "precondition_failed"), "{path}: {value}");
        }
    });
}

#[test]
fn a_head_is_a_get_without_its_body() {
    each_path(|mortar, path, whole| {
        let head = mortar.ask("HEAD", path, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), whole.body.len().to_string(), "{path}");
        let names = |answer: &Answer| {
            let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names(&head), names(&whole), "{path}");
        for name in ["etag", "last-modified", "content-type", "accept-ranges", "cache-control"] {
            assert_eq!(head.header(name), whole.header(name), "{path}: {name}");
        }
        let ranged = mortar.ask("HEAD", path, &[("range", "bytes=0-9")]);
        assert_eq!((ranged.status, ranged.header("content-length")), (200, head.header("content-length")));
    });
}

#[test]
fn a_head_ends_where_the_next_answer_on_its_connection_begins() {
    let mortar = start();
    let mut wire = Wire::to(&mortar);
    for path in PATHS {
        wire.send(&format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let head = wire.head();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{path}: {head}");
    }
    wire.send("GET /media/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(wire.status(), 404);
}

#[test]
fn one_range_brings_exactly_its_bytes() {
    each_path(|mortar, path, whole| {
        let total = whole.body.len();
        let beyond = format!("bytes=10-{}", total + 1_000);
        for (range, first, end) in [
            ("bytes=0-0", 0, 1),
            ("bytes=0-99", 0, 100),
            ("bytes=100-199", 100, 200),
            ("bytes=100-", 100, total),
            ("bytes=-100", total - 100, total),
            ("bytes=-99999999", 0, total),
            (&beyond, 10, total),
            ("BYTES= 5-9", 5, 10),
        ] {
            let part = mortar.get_with(path, &[("range", range)]);
            assert_eq!(part.status, 206, "{path}: {range}");
            assert_eq!(part.header("content-range"), format!("bytes {first}-{}/{total}", end - 1), "{path}: {range}");
            assert_eq!(part.header("content-length"), (end - first).to_string(), "{path}: {range}");
            assert!(part.body == whole.body[first..end], "{path}: {range}");
            assert_eq!(part.header("etag"), whole.header("etag"));
            assert_eq!(part.header("content-type"), "image/jpeg");
        }
    });
}

#[test]
fn a_range_outside_is_a_416_that_tells_the_size() {
    each_path(|mortar, path, whole| {
        let total = whole.body.len();
        for range in [format!("bytes={total}-"), "bytes=99999999-".to_owned(), "bytes=-0".to_owned()] {
            let answer = mortar.get_with(path, &[("range", &range)]);
            assert_eq!(answer.status, 416, "{path}: {range}");
            assert_eq!(answer.header("content-range"), format!("bytes */{total}"), "{path}: {range}");
            assert_eq!(answer.error_code(), "range_not_satisfiable");
        }
    });
}

#[test]
fn what_is_no_range_is_ignored() {
    each_path(|mortar, path, whole| {
        let many = format!("bytes={}", (0..100).map(|each| format!("{0}-{0}", each * 2)).collect::<Vec<_>>().join(","));
        for range in ["bytes=", "bytes=a-b", "bytes=9-5", "pixels=0-9", "bytes", "bytes=--5", &many] {
            let answer = mortar.get_with(path, &[("range", range)]);
            assert_eq!(answer.status, 200, "{path}: {range}");
            assert!(answer.body == whole.body, "{path}: {range}");
        }
    });
}

#[test]
fn several_ranges_come_as_parts_in_one_answer() {
    each_path(|mortar, path, whole| {
        let answer = mortar.get_with(path, &[("range", "bytes=0-9,50-59,-10")]);
        assert_eq!(answer.status, 206, "{path}");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        let boundary = answer.header("content-type").split_once("boundary=").unwrap().1.trim_matches('"').to_owned();
        let total = whole.body.len();
        let parts = split_parts(&answer.body, &boundary);
        let expected = [(0, 10), (50, 60), (total - 10, total)];
        assert_eq!(parts.len(), expected.len(), "{path}");
        for ((head, body), (first, end)) in parts.iter().zip(expected) {
            assert!(head.to_lowercase().contains("content-type: image/jpeg"), "{head}");
            let range = format!("content-range: bytes {first}-{}/{total}", end - 1);
            assert!(head.to_lowercase().contains(&range), "{head}");
            assert_eq!(*body, whole.body[first..end]);
        }
    });
}

/// Heads and bodies of the parts of a multipart body.
fn split_parts(body: &[u8], boundary: &str) -> Vec<(String, Vec<u8>)> {
    let find = |from: usize, what: &[u8]| (from..body.len()).find(|at| body[*at..].starts_with(what));
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut at = find(0, delimiter.as_bytes()).unwrap();
    while !body[at + delimiter.len()..].starts_with(b"--") {
        let head = find(at, b"\r\n").unwrap() + 2;
        let content = find(head, b"\r\n\r\n").unwrap() + 4;
        at = find(content, format!("\r\n{delimiter}").as_bytes()).unwrap();
        parts.push((String::from_utf8(body[head..content].to_vec()).unwrap(), body[content..at].to_vec()));
        at += 2;
    }
    parts
}

#[test]
fn if_range_asks_for_the_rest_of_the_same_version_only() {
    each_path(|mortar, path, whole| {
        let (etag, date) = (whole.header("etag"), whole.header("last-modified"));
        let weak = format!("W/{etag}");
        let asked = |version: &str| mortar.get_with(path, &[("range", "bytes=0-9"), ("if-range", version)]);
        assert_eq!(asked(etag).status, 206, "{path}");
        for version in ["\"other\"", &weak, "Sat, 01 Jan 2000 00:00:00 GMT"] {
            let answer = asked(version);
            assert_eq!((answer.status, answer.body.len()), (200, whole.body.len()), "{path}: {version}");
        }
        // A date is a strong validator only when it is old enough; both answers are right, a wrong body is not.
        let by_date = asked(date);
        assert!(matches!((by_date.status, by_date.body.len()), (206, 10)) || by_date.body == whole.body, "{path}");
    });
}

#[test]
fn preconditions_come_before_ranges() {
    each_path(|mortar, path, whole| {
        let etag = whole.header("etag");
        let known = mortar.get_with(path, &[("range", "bytes=0-9"), ("if-none-match", etag)]);
        assert_eq!(known.status, 304, "{path}");
        let other = mortar.get_with(path, &[("range", "bytes=0-9"), ("if-match", "\"other\"")]);
        assert_eq!(other.status, 412, "{path}");
    });
}

#[test]
fn a_large_original_streams_with_flat_memory() {
    const BYTES: u64 = 50 << 20;
    let mortar = Mortar::with("", "[buckets.plain.storages.basic]\nkind = \"local\"\nroot_path = \"{root}\"\n");
    std::fs::create_dir_all(mortar.root().join("plain")).unwrap();
    let mut file = File::create(mortar.root().join("plain/large.bin")).unwrap();
    file.seek(SeekFrom::Start(BYTES - 4)).unwrap();
    file.write_all(b"last").unwrap();
    drop(file);

    let before = mortar.stats()["process"]["peak_resident_bytes"].as_u64().unwrap();
    let readers: Vec<_> = (0..4).map(|_| mortar.get_meanwhile("/plain/large.bin")).collect();
    for reader in readers {
        let answer = reader.join().unwrap();
        assert_eq!((answer.status, answer.body.len() as u64), (200, BYTES));
        assert!(answer.body.ends_with(b"last"));
    }
    let tail = mortar.get_with("/plain/large.bin", &[("range", "bytes=-4")]);
    assert_eq!((tail.status, tail.body.as_slice()), (206, b"last".as_slice()));
    let after = mortar.stats()["process"]["peak_resident_bytes"].as_u64().unwrap();
    assert!(after - before < 24 << 20, "{before} bytes at first, {after} in the end");
}

#[test]
fn a_reader_who_leaves_in_the_middle_leaves_nothing_open() {
    let mortar = Mortar::with("", "[buckets.plain.storages.basic]\nkind = \"local\"\nroot_path = \"{root}\"\n");
    std::fs::create_dir_all(mortar.root().join("plain")).unwrap();
    File::create(mortar.root().join("plain/large.bin")).unwrap().set_len(200 << 20).unwrap();
    let held = |mortar: &Mortar| {
        let gates = mortar.actor("storage")["gates"].as_array().unwrap().clone();
        gates.iter().find(|gate| gate["name"] == "streams").unwrap()["held"].as_u64().unwrap()
    };
    let readers: Vec<_> = (0..5)
        .map(|_| {
            let mut reader = Wire::asking(&mortar, "/plain/large.bin");
            reader.read(100_000);
            reader
        })
        .collect();
    harness::wait_for("five streams", || (held(&mortar) == 5).then_some(()));
    drop(readers);
    mortar.wait_until_idle();
    assert_eq!(held(&mortar), 0);
    let id = mortar.id();
    harness::wait_for("the files to be closed", || {
        let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
        let open = descriptors.filter_map(|each| std::fs::read_link(each.unwrap().path()).ok());
        open.into_iter().all(|file| !file.ends_with("large.bin")).then_some(())
    });
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_never_looks_whole() {
    const BYTES: u64 = 64 << 20;
    let mortar = Mortar::with("", "[buckets.plain.storages.basic]\nkind = \"local\"\nroot_path = \"{root}\"\n");
    std::fs::create_dir_all(mortar.root().join("plain")).unwrap();
    let file = File::create(mortar.root().join("plain/large.bin")).unwrap();
    file.set_len(BYTES).unwrap();
    let mut reader = Wire::asking(&mortar, "/plain/large.bin");
    let begun = reader.read(1_000).len() as u64;
    file.set_len(BYTES / 2).unwrap();
    let rest = reader.rest().len() as u64;
    assert!(begun + rest < BYTES, "{rest} bytes came of a file that has no more than half of them");
    mortar.wait_until_idle();
}

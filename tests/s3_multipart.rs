//! Uploads in parts whose client asks twice: because an answer was lost, or because it did not wait for it.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;
#[path = "harness/s3.rs"]
mod s3_server;

use std::thread;

use harness::origin::{Asked, Origin, Reply};
use harness::signer::{KEYS, Signer, WRITER, s3_bucket};
use harness::{Answer, Mortar, everything_below, wait_for};
use s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};

/// Least bytes of a part that is not the last.
const PART: usize = 5 << 20;

fn send(mortar: &Mortar, method: &str, path: &str, body: &[u8]) -> Answer {
    Signer::new(WRITER).send(mortar, method, path, body)
}

fn element(answer: &Answer, name: &str) -> String {
    let text = answer.text();
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.split_once('<').unwrap().0.replace("&quot;", "\"")
}

/// An upload whose parts have arrived: where it is completed, and what is to be said there.
fn arrived(mortar: &Mortar, path: &str, parts: &[&[u8]]) -> (String, String) {
    let begun = send(mortar, "POST", &format!("{path}?uploads"), b"");
    let id = element(&begun, "UploadId");
    let named = (1..).zip(parts).map(|(number, part)| {
        let put = send(mortar, "PUT", &format!("{path}?partNumber={number}&uploadId={id}"), part);
        assert_eq!(put.status, 200, "{}", put.text());
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", put.header("etag"))
    });
    let named: String = named.collect();
    (format!("{path}?uploadId={id}"), format!("<CompleteMultipartUpload>{named}</CompleteMultipartUpload>"))
}

fn complete(mortar: &Mortar, (path, parts): &(String, String)) -> Answer {
    send(mortar, "POST", path, parts.as_bytes())
}

/// A bucket `remote` on a server, beside `media` on disk.
fn on(server: &S3Server) -> Mortar {
    let remote = s3_bucket(&server.url(), (ACCESS_KEY, SECRET_KEY));
    Mortar::with("", &format!("{KEYS}{remote}"))
}

#[test]
fn an_upload_that_is_completed_again_has_the_same_answer() {
    let server = S3Server::start();
    let mortar = on(&server);
    for path in ["/media/a", "/remote/a"] {
        let upload = arrived(&mortar, path, &[&[1; PART], b"end"]);
        let first = complete(&mortar, &upload);
        assert_eq!(first.status, 200, "{}", first.text());
        let etag = element(&first, "ETag");
        for instance in [&mortar, &mortar.beside()] {
            let again = complete(instance, &upload);
            assert_eq!((again.status, element(&again, "ETag")), (200, etag.clone()), "{}", again.text());
            assert_eq!(element(&again, "Key"), "a");
        }
        // It is an answer, and makes nothing anew.
        assert_eq!(send(&mortar, "PUT", path, b"newer").status, 200);
        assert_eq!(complete(&mortar, &upload).status, 200);
        assert_eq!(mortar.get(path).text(), "newer");
        let listed = send(&mortar, "GET", &format!("{}?uploads", &path[..path.len() - 2]), b"");
        assert!(!listed.text().contains("<Upload>"), "{}", listed.text());
    }
}

#[test]
fn another_request_for_a_completed_upload_is_for_none() {
    let mortar = Mortar::with("", KEYS);
    let upload = arrived(&mortar, "/media/a", &[b"one"]);
    assert_eq!(complete(&mortar, &upload).status, 200);
    let (path, parts) = upload;
    let other_parts = (path.clone(), parts.replace("<PartNumber>1<", "<PartNumber>2<"));
    let other_key = (path.replace("/media/a?", "/media/b?"), parts);
    for other in [other_parts, other_key] {
        assert_eq!(complete(&mortar, &other).s3_code(), "NoSuchUpload");
    }
    assert_eq!(send(&mortar, "DELETE", &path, b"").s3_code(), "NoSuchUpload");
    let aborted = arrived(&mortar, "/media/a", &[b"two"]);
    assert_eq!(send(&mortar, "DELETE", &aborted.0, b"").status, 204);
    assert_eq!(complete(&mortar, &aborted).s3_code(), "NoSuchUpload");
    assert_eq!(mortar.get("/media/a").text(), "one");
}

#[test]
fn one_who_did_not_wait_for_the_answer_gets_it_from_either_request() {
    let server = S3Server::start();
    let mortar = on(&server);
    for path in ["/media/a", "/remote/a"] {
        let upload = arrived(&mortar, path, &[&[1; PART], &[2; PART], b"end"]);
        let answers: Vec<Answer> = thread::scope(|scope| {
            let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| complete(&mortar, &upload))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        for answer in &answers {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(element(answer, "ETag"), element(&answers[0], "ETag"));
        }
        assert_eq!(mortar.get(path).body.len(), 2 * PART + 3);
    }
}

#[test]
fn what_is_remembered_is_forgotten_after_its_time() {
    let mortar = Mortar::with("", &format!("[s3_api]\nmultipart_completed_time_to_live = \"1s\"\n{KEYS}"));
    let upload = arrived(&mortar, "/media/a", &[b"one"]);
    assert_eq!(complete(&mortar, &upload).status, 200);
    let is_all = |files: Vec<std::path::PathBuf>| files == [mortar.originals().join("a")];
    wait_for("the upload to be forgotten", || is_all(everything_below(&mortar.originals())).then_some(()));
    assert_eq!(complete(&mortar, &upload).s3_code(), "NoSuchUpload");
}

/// More parts than are removed at once.
const PARTS: usize = 30;

/// What an endpoint says that has an upload of these parts, the first of which it does not let go of.
fn stubborn(asked: &Asked) -> Reply {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    match asked.method.as_str() {
        "GET" if query.contains("prefix=") => {
            let part = |number| format!("<Contents><Key>{UPLOAD}/part-{number:05}</Key><Size>1</Size></Contents>");
            let parts: String = (1..=PARTS).map(part).collect();
            Reply::ok(
                format!("<ListBucketResult><IsTruncated>false</IsTruncated>{parts}</ListBucketResult>").as_bytes(),
            )
        }
        "GET" => Reply::ok(br#"{"key": "a", "content_type": null, "headers": {}}"#),
        "DELETE" if path.ends_with("part-00001") => Reply::status(403),
        _ => Reply::status(204),
    }
}

/// Where parts of the one upload of [`stubborn`] lie.
const UPLOAD: &str = ".mortar/uploads/00000000000000000000000000000001";

#[test]
fn a_part_that_cannot_be_removed_keeps_no_other_one_from_it() {
    let endpoint = Origin::start(stubborn);
    let mortar = Mortar::with("", &s3_bucket(&format!("http://{}", endpoint.address), (ACCESS_KEY, SECRET_KEY)));
    let (_, id) = UPLOAD.rsplit_once('/').unwrap();
    let aborted = send(&mortar, "DELETE", &format!("/remote/a?uploadId={id}"), b"");
    assert_eq!(aborted.status, 502, "that it failed is told: {}", aborted.text());
    let asked = endpoint.asked();
    let removed = asked.iter().filter(|asked| asked.method == "DELETE" && asked.target.contains("/part-"));
    assert_eq!(removed.count(), PARTS);
}

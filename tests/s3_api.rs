//! The S3 interface, byte by byte: who may do what, and what becomes of requests that are wrong in every way.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use harness::origin::{Origin, REMOTE_RESULTS, Reply};
use harness::signer::{KEYS, READER, Signer, UNSIGNED, WRITER, s3_bucket, send_with_body, sha256};
use harness::wire::Wire;
use harness::{Mortar, drawn_jpeg, everything_below, wait_for};

fn start() -> Mortar {
    Mortar::with("", KEYS)
}

fn writer() -> Signer {
    Signer::new(WRITER)
}

/// Everything that lies in the bucket's directory, drafts and parts included.
fn lies(mortar: &Mortar) -> Vec<String> {
    let root = mortar.originals();
    let files = everything_below(&root).into_iter();
    let mut names: Vec<String> =
        files.map(|file| file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn anybody_reads_objects_and_nobody_else_does_more_without_a_signature() {
    let mortar = start();
    assert_eq!(writer().send(&mortar, "PUT", "/media/a.txt", b"hello").status, 200);
    assert_eq!(mortar.get("/media/a.txt").text(), "hello");
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/media"),
        ("GET", "/media?max-keys=-1"),
        ("GET", "/media/?list-type=2"),
        ("PUT", "/media/b.txt"),
        ("DELETE", "/media/a.txt"),
        ("POST", "/media?delete"),
        ("POST", "/media/a.txt?uploads"),
        ("PUT", "/media"),
    ] {
        let answer = mortar.ask(method, path, &[]);
        assert_eq!((answer.status, answer.s3_code().as_str()), (403, "AccessDenied"), "{method} {path}");
    }
    assert_eq!(mortar.ask("HEAD", "/media", &[]).status, 403);
    assert_eq!(lies(&mortar), ["a.txt"]);
}

#[test]
fn a_bucket_can_allow_everybody_to_list_it() {
    let mortar = Mortar::with("", "[buckets.media]\npublic_listing = true");
    mortar.put("a.txt", b"hello");
    assert!(mortar.get("/media?list-type=2").text().contains("<Key>a.txt</Key>"));
    assert_eq!(mortar.ask("HEAD", "/media", &[]).status, 200);
    assert_eq!(mortar.get("/media?uploads").status, 403);
    assert_eq!(mortar.ask("DELETE", "/media/a.txt", &[]).status, 403);
}

#[test]
fn a_key_is_good_for_its_bucket_and_its_right() {
    let mortar = start();
    let code = |signer: Signer, method: &str, path: &str| {
        let answer = signer.send(&mortar, method, path, b"");
        if answer.status < 300 { String::new() } else { answer.s3_code() }
    };
    assert_eq!(code(writer(), "PUT", "/media/a"), "");
    assert_eq!(code(Signer::new(READER), "GET", "/media/a"), "");
    assert_eq!(code(Signer::new(READER), "GET", "/media?list-type=2"), "");
    for (method, path) in [("PUT", "/media/b"), ("DELETE", "/media/a"), ("POST", "/media/b?uploads")] {
        assert_eq!(code(Signer::new(READER), method, path), "AccessDenied", "{method} {path}");
    }
    for (method, path) in
        [("PUT", "/other/a"), ("GET", "/other?list-type=2"), ("GET", "/other/a"), ("PUT", "/nowhere/a")]
    {
        assert_eq!(code(writer(), method, path), "AccessDenied", "{method} {path}");
    }
    assert_eq!(code(Signer::new(("nobody", "x")), "GET", "/media/a"), "InvalidAccessKeyId");
    assert_eq!(code(Signer::new(("writer", "guessed")), "GET", "/media/a"), "SignatureDoesNotMatch");
    assert_eq!(code(writer().in_region("mort"), "GET", "/media/a"), "");
    assert_eq!(code(writer().in_region("eu-west-9"), "GET", "/media/a"), "AuthorizationHeaderMalformed");
    let copied = writer().sign(&mortar, "PUT", "/media/b", &[("x-amz-copy-source", "/other/a")], UNSIGNED);
    assert_eq!(copied.send(&mortar, b"").s3_code(), "AccessDenied");
}

#[test]
fn signatures_that_are_wrong_late_or_of_something_else_open_nothing() {
    let mortar = start();
    let put = || writer().sign(&mortar, "PUT", "/media/a", &[], UNSIGNED);
    let mut elsewhere = put();
    elsewhere.path = "/media/b".to_owned();
    assert_eq!(elsewhere.send(&mortar, b"x").s3_code(), "SignatureDoesNotMatch");
    let mut other_method = put();
    other_method.method = "DELETE".to_owned();
    assert_eq!(other_method.send(&mortar, b"").s3_code(), "SignatureDoesNotMatch");
    let mut with_more = put();
    with_more.headers.push(("x-amz-meta-mine".to_owned(), "yes".to_owned()));
    assert_eq!(with_more.send(&mortar, b"x").s3_code(), "AccessDenied");
    for (as_signed, instead) in [
        ("AWS4-HMAC-SHA256 ", "FOO "),
        ("SignedHeaders=", "SignedHeaders=X-Amz-Meta-Mine;"),
        ("SignedHeaders=", "SignedHeaders=x-amz-meta-mine;"),
    ] {
        let mut disguised = with_more.clone();
        let (_, authorization) = disguised.headers.iter_mut().find(|(name, _)| name == "authorization").unwrap();
        *authorization = authorization.replace(as_signed, instead);
        let code = disguised.send(&mortar, b"x").s3_code();
        assert!(["AccessDenied", "SignatureDoesNotMatch"].contains(&code.as_str()), "{instead}: {code}");
    }
    for apart in [Duration::from_secs(20 * 60), Duration::from_secs(24 * 3600)] {
        let late = writer().ago(apart).sign(&mortar, "PUT", "/media/a", &[], UNSIGNED);
        let code = late.send(&mortar, b"x").s3_code();
        assert_eq!(code, "RequestTimeTooSkewed", "{apart:?}");
    }
    for nonsense in ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b/c", "AWS writer:", "AWS x"] {
        let headers = [("authorization".to_owned(), nonsense.to_owned()), ("x-amz-date".to_owned(), "2".to_owned())];
        let answer = send_with_body(&mortar, "PUT", "/media/a", &headers, b"x");
        assert!((400..404).contains(&answer.status), "{nonsense}: {} {}", answer.status, answer.text());
    }
    assert!(lies(&mortar).is_empty());
}

#[test]
fn a_presigned_url_is_good_for_one_thing_until_it_expires() {
    let mortar = start();
    let url = writer().presign(&mortar, "PUT", "/media/a", 60);
    assert_eq!(send_with_body(&mortar, "PUT", &url, &[], b"hello").status, 200);
    let read = writer().presign(&mortar, "GET", "/media/a?response-content-type=text%2Ftold", 60);
    let answer = mortar.get(&read);
    assert_eq!((answer.text().as_str(), answer.header("content-type")), ("hello", "text/told"));
    assert_eq!(mortar.ask("DELETE", &read, &[]).s3_code(), "SignatureDoesNotMatch");
    let other = url.replace("/media/a", "/media/b");
    assert_eq!(send_with_body(&mortar, "PUT", &other, &[], b"x").s3_code(), "SignatureDoesNotMatch");
    let (start, _) = url.rsplit_once("X-Amz-Signature=").unwrap();
    let forged = format!("{start}X-Amz-Signature={}", sha256(b"guess"));
    assert_eq!(send_with_body(&mortar, "PUT", &forged, &[], b"x").s3_code(), "SignatureDoesNotMatch");
    let expired = writer().ago(Duration::from_secs(120)).presign(&mortar, "PUT", "/media/a", 60);
    assert_eq!(send_with_body(&mortar, "PUT", &expired, &[], b"x").s3_code(), "AccessDenied");
    let longer = expired.replace("X-Amz-Expires=60", "X-Amz-Expires=6000");
    assert_eq!(send_with_body(&mortar, "PUT", &longer, &[], b"x").s3_code(), "SignatureDoesNotMatch");
    assert_eq!(mortar.get("/media/a").text(), "hello");
}

#[test]
fn a_body_that_is_not_what_was_signed_or_announced_leaves_nothing() {
    let mortar = start();
    let wrong_hash = writer().sign(&mortar, "PUT", "/media/a", &[], &sha256(b"hello"));
    assert_eq!(wrong_hash.send(&mortar, b"hullo").s3_code(), "XAmzContentSHA256Mismatch");
    for (header, value, code) in [
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
        ("content-md5", "nonsense", "InvalidDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc32", "nonsense", "InvalidRequest"),
    ] {
        let put = writer().sign(&mortar, "PUT", "/media/a", &[(header, value)], UNSIGNED);
        assert_eq!(put.send(&mortar, b"hello").s3_code(), code, "{header}: {value}");
    }
    let put = writer().sign(&mortar, "PUT", "/media/a", &[], UNSIGNED);
    let mut cut = Wire::to(&mortar);
    cut.send(&put.head("content-length: 100\r\n"));
    cut.send("only this");
    cut.finish();
    drop(cut.rest());
    mortar.wait_until_idle();
    assert!(lies(&mortar).is_empty(), "{:?}", lies(&mortar));
}

#[test]
fn signed_chunks_are_verified_one_by_one() {
    let mortar = start();
    let headers = [("x-amz-decoded-content-length", "10")];
    let put = writer().sign(&mortar, "PUT", "/media/a", &headers, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    let (first, signature) = put.chunk(&put.seed, b"hello");
    let (second, signature) = put.chunk(&signature, b"world");
    let (last, _) = put.chunk(&signature, b"");
    let whole = [first.clone(), second.clone(), last.clone()].concat();
    assert_eq!(put.send(&mortar, &whole).status, 200);
    assert_eq!(mortar.get("/media/a").text(), "helloworld");

    let changed = String::from_utf8(whole.clone()).unwrap().replace("world", "wurld").into_bytes();
    let swapped = [second.clone(), first.clone(), last.clone()].concat();
    for (body, code) in [
        (changed, "SignatureDoesNotMatch"),
        (swapped, "SignatureDoesNotMatch"),
        ([first.clone(), second.clone()].concat(), "IncompleteBody"),
        ([first.clone(), last].concat(), "SignatureDoesNotMatch"),
        (first[..first.len() - 4].to_vec(), "IncompleteBody"),
        (b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n".to_vec(), "SignatureDoesNotMatch"),
        (b"what is this".to_vec(), "IncompleteBody"),
        (b"what is this?\r\n".to_vec(), "InvalidRequest"),
    ] {
        let answer = put.send(&mortar, &body);
        assert_eq!(answer.s3_code(), code, "{:?}", String::from_utf8_lossy(&body));
    }
    assert_eq!(mortar.get("/media/a").text(), "helloworld", "the old object stays");
    assert_eq!(lies(&mortar), ["a"]);
}

#[test]
fn a_chunk_takes_no_more_memory_for_being_large() {
    const SIZE: usize = 96 << 20;
    let mortar = start();
    let (size, sum) = (SIZE.to_string(), "x-amz-checksum-crc32");
    let headers = [("x-amz-decoded-content-length", size.as_str()), ("x-amz-trailer", sum)];
    let put = writer().sign(&mortar, "PUT", "/media/a", &headers, "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let before = mortar.stats()["process"]["peak_resident_bytes"].as_u64().unwrap();
    let mut wire = Wire::to(&mortar);
    let frame = format!("{SIZE:x}\r\n");
    let trailer = format!("\r\n0\r\n{sum}:AAAAAA==\r\n\r\n");
    wire.send(&put.head(&format!("content-length: {}\r\n", frame.len() + SIZE + trailer.len())));
    wire.send(&frame);
    let piece = vec![7; 1 << 20];
    (0..SIZE / piece.len()).for_each(|_| wire.send_bytes(&piece));
    wire.send(&trailer);
    assert!(wire.head().starts_with("HTTP/1.1 400"), "its checksum is wrong");
    let after = mortar.stats()["process"]["peak_resident_bytes"].as_u64().unwrap();
    assert!(after - before < 32 << 20, "{before} bytes at first, {after} in the end");
    assert!(lies(&mortar).is_empty());
}

#[test]
fn uploads_that_are_too_large_too_slow_or_of_unknown_length_are_refused() {
    let limits = "[s3_api]\nmax_object_size = \"1MiB\"\nupload_idle_timeout = \"1s\"\n";
    let mortar = Mortar::with("", &format!("{limits}{KEYS}"));
    let large = writer().send(&mortar, "PUT", "/media/a", &vec![0; (1 << 20) + 1]);
    assert_eq!((large.status, large.s3_code().as_str()), (400, "EntityTooLarge"));
    let put = || writer().sign(&mortar, "PUT", "/media/a", &[], UNSIGNED);
    let mut slow = Wire::to(&mortar);
    slow.send(&put().head("content-length: 10\r\n"));
    slow.send("half");
    let answer = String::from_utf8(slow.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
    let mut unknown = Wire::to(&mortar);
    unknown.send(&put().head("transfer-encoding: chunked\r\n"));
    unknown.send("0\r\n\r\n");
    assert!(unknown.head().starts_with("HTTP/1.1 411"));
    assert_eq!(writer().send(&mortar, "PUT", "/media/a", &vec![0; 1 << 20]).status, 200);
    mortar.wait_until_idle();
    assert_eq!(lies(&mortar), ["a"]);
}

#[test]
fn names_that_climb_are_refused_and_odd_ones_come_back() {
    let mortar = start();
    for path in [
        "/media/../a",
        "/media/%2e%2e/a",
        "/media/%2e%2e%2fa",
        "/media/a/..%2f..%2fb",
        "/media/./a",
        "/media/a%00b",
        "/media/%ff",
        "/media/.mortar/uploads/x",
        "/media/.mortar-drafts/x",
        "/media/small/picture.jpg",
    ] {
        let answer = writer().sign(&mortar, "PUT", path, &[], UNSIGNED).send(&mortar, b"x");
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
    }
    assert!(lies(&mortar).is_empty(), "{:?}", lies(&mortar));
    assert!(!mortar.root().join("a").exists() && !mortar.root().join("b").exists());

    let longest = format!("{}/end", ["x"; 510].join("/"));
    assert_eq!(longest.len(), 1023);
    for key in ["%C3%BC%20%2B%25%3F", "%E6%97%A5%E6%9C%AC", "...", "a%5Cb", "-rf", &format!("{longest}1")] {
        let path = format!("/media/{key}");
        assert_eq!(writer().send(&mortar, "PUT", &path, key.as_bytes()).status, 200, "{key}");
        assert_eq!(mortar.get(&path).text(), key);
        assert_eq!(writer().send(&mortar, "DELETE", &path, b"").status, 204);
        assert_eq!(mortar.get(&path).status, 404);
    }
    let too_long = writer().send(&mortar, "PUT", &format!("/media/{longest}12"), b"x");
    assert_eq!(too_long.s3_code(), "KeyTooLongError");
}

#[test]
fn thousands_of_keys_are_listed_page_by_page_and_in_order() {
    const FOLDERS: usize = 25;
    const IN_EACH: usize = 100;
    let mortar = start();
    for folder in 0..FOLDERS {
        (0..IN_EACH).for_each(|number| mortar.put(&format!("list/{folder:02}/{number:03}"), b"1"));
    }
    mortar.put("list/zz ü", b"1");
    let list = |query: &str| {
        let path = format!("/media?{query}");
        let answer = writer().sign(&mortar, "GET", &path, &[], UNSIGNED).send(&mortar, b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), "", "a listing is for nobody's cache");
        answer.text()
    };
    let values = |text: &str, name: &str| -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        text.split(&open).skip(1).map(|rest| rest.split_once(&close).unwrap().0.to_owned()).collect()
    };
    let (mut keys, mut token) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("list-type=2&prefix=list%2F{token}"));
        keys.extend(values(&page, "Key"));
        match values(&page, "NextContinuationToken").first() {
            Some(next) => token = format!("&continuation-token={next}"),
            None => break,
        }
    }
    assert_eq!(keys.len(), FOLDERS * IN_EACH + 1);
    assert!(keys.is_sorted());

    let rolled_up = list("list-type=2&prefix=list%2F&delimiter=%2F&encoding-type=url");
    assert_eq!(values(&rolled_up, "KeyCount"), [(FOLDERS + 1).to_string()]);
    assert_eq!(values(&rolled_up, "Key"), ["list/zz%20%C3%BC"]);
    assert_eq!(values(&rolled_up, "IsTruncated"), ["false"]);
    let first = list("prefix=list%2F&delimiter=%2F&max-keys=10");
    assert_eq!(values(&first, "NextMarker"), ["list/09/"]);
    let second = list("prefix=list%2F&delimiter=%2F&max-keys=10&marker=list%2F09%2F");
    assert!(second.contains("<Prefix>list/10/</Prefix>") && !second.contains("<Prefix>list/09/</Prefix>"));
    assert_eq!(values(&list("max-keys=0"), "IsTruncated"), ["false"]);
    for wrong in ["max-keys=-1", "max-keys=x", "encoding-type=x", "list-type=2&continuation-token=%21"] {
        let answer = writer().sign(&mortar, "GET", &format!("/media?{wrong}"), &[], UNSIGNED).send(&mortar, b"");
        assert_eq!(answer.status, 400, "{wrong}");
    }
}

#[test]
fn a_new_original_has_new_results_and_a_removed_one_has_none() {
    let mortar = start();
    let put = |width| writer().send(&mortar, "PUT", "/media/p.jpg", &drawn_jpeg(width, 200)).status;
    assert_eq!(put(400), 200);
    assert_eq!(mortar.get("/media/p.jpg?width=100").picture().dimensions(), (100, 50));
    mortar.wait_until_stored(1);
    assert_eq!(put(200), 200);
    assert_eq!(mortar.get("/media/p.jpg?width=100").picture().dimensions(), (100, 100));
    let signed = writer().sign(&mortar, "GET", "/media/p.jpg?width=50", &[], UNSIGNED).send(&mortar, b"");
    assert_eq!(signed.picture().dimensions(), (50, 50));
    assert_eq!(writer().send(&mortar, "DELETE", "/media/p.jpg", b"").status, 204);
    assert_eq!(mortar.get("/media/p.jpg?width=100").status, 404);
    let gone = writer().sign(&mortar, "GET", "/media/p.jpg?width=100", &[], UNSIGNED).send(&mortar, b"");
    assert_eq!((gone.status, gone.s3_code().as_str()), (404, "NoSuchKey"));
}

#[test]
fn an_upload_that_nobody_completes_is_removed() {
    let mortar = Mortar::with("", &format!("[s3_api]\nmultipart_time_to_live = \"3s\"\n{KEYS}"));
    let answer = writer().send(&mortar, "POST", "/media/a?uploads", b"").text();
    let id = answer.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let part = format!("/media/a?partNumber=1&uploadId={id}");
    assert_eq!(writer().send(&mortar, "PUT", &part, b"x").status, 200);
    assert_eq!(
        mortar.get(&format!("/media/.mortar/uploads/{id}/part-00001")).status,
        404,
        "parts are nobody's objects"
    );
    wait_for("the upload to be removed", || lies(&mortar).is_empty().then_some(()));
    assert_eq!(writer().send(&mortar, "PUT", &part, b"x").s3_code(), "NoSuchUpload");
}

#[test]
fn a_write_that_may_have_arrived_ends_what_was_made_before_it() {
    let (old, new) = (drawn_jpeg(200, 100), drawn_jpeg(100, 200));
    let written = AtomicBool::new(false);
    let endpoint = Origin::start(move |asked| match asked.method.as_str() {
        "PUT" => {
            written.store(true, Relaxed);
            Reply::status(500)
        }
        _ => Reply::ok(if written.load(Relaxed) { &new } else { &old }),
    });
    let bucket = s3_bucket(&format!("http://{}", endpoint.address), ("access", "secret"));
    let mortar = Mortar::with("", &format!("[s3]\nattempts = 1\n{bucket}{REMOTE_RESULTS}"));
    let height = || mortar.get("/remote/a.jpg?width=50").header("x-amz-meta-public-height").to_owned();
    assert_eq!(height(), "25");
    mortar.wait_until_stored(1);
    assert!(writer().send(&mortar, "PUT", "/remote/a.jpg", b"any").status >= 500);
    assert_eq!(height(), "100");
}

#[test]
fn what_cannot_be_done_under_a_condition_or_to_a_version_is_not_done() {
    let mortar = start();
    for key in ["a", "b"] {
        assert_eq!(writer().send(&mortar, "PUT", &format!("/media/{key}"), key.as_bytes()).status, 200);
    }
    assert_eq!(writer().send(&mortar, "DELETE", "/media/a?versionId=1", b"").s3_code(), "NotImplemented");
    for more in ["<ETag>\"old\"</ETag>", "<VersionId>1</VersionId>"] {
        let many = format!("<Delete><Object><Key>a</Key>{more}</Object></Delete>");
        let answer = writer().send(&mortar, "POST", "/media?delete", many.as_bytes()).text();
        assert!(answer.contains("<Code>NotImplemented</Code>"), "{answer}");
    }
    let copy = |condition| {
        let headers = [("if-none-match", condition), ("x-amz-copy-source", "/media/b")];
        writer().sign(&mortar, "PUT", "/media/a", &headers, UNSIGNED).send(&mortar, b"").s3_code()
    };
    assert_eq!((copy("*"), copy("\"x\"")), ("PreconditionFailed".to_owned(), "NotImplemented".to_owned()));
    assert_eq!(mortar.get("/media/a").text(), "a");
}

#[test]
fn chunks_of_what_is_no_object_are_not_gathered() {
    let mortar = start();
    let content = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let headers = [("x-amz-decoded-content-length", "9000000"), ("x-amz-trailer", "x-amz-checksum-crc32")];
    let signed = writer().sign(&mortar, "POST", "/media?delete", &headers, content);
    let mut body = b"ffffffff\r\n".to_vec();
    body.resize(9_000_000, b'x');
    assert_eq!(signed.send(&mortar, &body).s3_code(), "NotImplemented");
}

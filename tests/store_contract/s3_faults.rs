//! S3 endpoints that refuse, break off, are slow, or answer what is no answer.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use mortar::adapters::S3Store;
use mortar::config::{GlacierConfig, S3Config, S3StorageConfig};
use mortar_actors::storage::{ListRequest, PutCondition, Store};
use mortar_actors::{Body, FaultKind, ObjectKey, ObjectMeta};

use crate::contract::{content, delete, get, put};
use crate::origin::{Answer, Origin, SHORT, answer};
use crate::s3::{config, storage};

fn store_with(origin: &Origin, config: &S3Config) -> S3Store {
    S3Store::new("photos", &storage(&format!("http://{}", origin.address), "secret"), config)
}

fn store(origin: &Origin) -> S3Store {
    store_with(origin, &config())
}

fn refusal(status: &str, code: &str) -> Vec<u8> {
    answer(status, &[], format!("<Error><Code>{code}</Code><Message>m</Message></Error>").as_bytes())
}

/// Refuses so many times and then has the object.
async fn recovering(refusals: usize, refusal: Vec<u8>) -> Origin {
    let turn = AtomicUsize::new(0);
    Origin::start(move |_| match turn.fetch_add(1, SeqCst) < refusals {
        true => Answer::Last(refusal.clone()),
        false => Answer::Last(answer("200 OK", &[("etag", "\"e\"")], b"body")),
    })
    .await
}

#[tokio::test]
async fn a_refusal_that_passes_is_waited_for() {
    for refused in [refusal("503 Slow Down", "SlowDown"), refusal("500 Oops", "InternalError"), Vec::new()] {
        let origin = recovering(2, refused).await;
        assert_eq!(get(&store(&origin), "a").await.unwrap(), "body");
        assert_eq!(origin.asked().len(), 3);
    }
}

#[tokio::test]
async fn attempts_are_counted_and_the_last_refusal_is_told() {
    let origin = recovering(usize::MAX, refusal("503 Slow Down", "SlowDown")).await;
    assert_eq!(get(&store(&origin), "a").await, Err(FaultKind::Upstream));
    assert_eq!(origin.asked().len(), 3);

    let busy = answer("503 Slow Down", &[("retry-after", "7")], b"<Error><Code>SlowDown</Code></Error>");
    let origin = recovering(usize::MAX, busy).await;
    let fault = store(&origin).fetch(&ObjectKey::new("a"), None).await.unwrap_err();
    assert_eq!(fault.wait_before_retry(), Some(Duration::from_secs(7)));
    assert_eq!(origin.asked().len(), 1, "nobody waits here for as long as that");
}

#[tokio::test]
async fn what_will_not_pass_is_not_repeated() {
    let cases = [
        (refusal("404 Not Found", "NoSuchKey"), FaultKind::NotFound),
        (refusal("404 Not Found", "NoSuchBucket"), FaultKind::Upstream),
        (refusal("403 Forbidden", "AccessDenied"), FaultKind::Upstream),
        (refusal("301 Moved", "PermanentRedirect"), FaultKind::Upstream),
        (refusal("400 Bad Request", "KeyTooLongError"), FaultKind::Invalid),
    ];
    for (refused, kind) in cases {
        let origin = recovering(usize::MAX, refused).await;
        assert_eq!(get(&store(&origin), "a").await, Err(kind));
        assert_eq!(origin.asked().len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_write_on_a_condition_is_sent_once() {
    let origin = recovering(usize::MAX, refusal("500 Oops", "InternalError")).await;
    let body = Body::Bytes(content(10));
    let key = ObjectKey::new("a");
    let written = store(&origin).put(&key, ObjectMeta::default(), body, &PutCondition::IfAbsent).await;
    assert_eq!(written.unwrap_err().kind(), FaultKind::Upstream);
    let asked = origin.asked();
    assert_eq!((asked.len(), asked[0].headers["if-none-match"].as_str()), (1, "*"));
}

#[tokio::test]
async fn headers_that_are_broken_are_passed_over() {
    let headers = [
        ("x-amz-meta-a", "ü"),
        ("x-amz-meta-b", "kept"),
        ("etag", "\"é\""),
        ("x-amz-missing-meta", "many"),
        ("x-amz-delete-marker", "perhaps"),
        ("x-amz-mp-parts-count", "-"),
        ("last-modified", "yesterday"),
    ];
    let origin = Origin::saying(answer("200 OK", &headers, b"body")).await;
    let fetched = store(&origin).fetch(&ObjectKey::new("a"), None).await.unwrap();
    assert_eq!((fetched.meta.etag, fetched.meta.last_modified), (None, None));
    assert_eq!(fetched.meta.headers.into_iter().collect::<Vec<_>>(), [("x-amz-meta-b".to_owned(), "kept".to_owned())]);
    let stat = store(&origin).stat(&ObjectKey::new("a")).await;
    assert!(stat.is_ok(), "{stat:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_fault() {
    for text in ["", "<html>", "<ListBucketResult><Contents><Size>big</Size></Contents></ListBucketResult>"] {
        let origin = Origin::saying(answer("200 OK", &[], text.as_bytes())).await;
        let request = ListRequest { max_keys: 10, ..ListRequest::default() };
        let listed = store(&origin).list(&request).await.map_err(|fault| fault.kind());
        assert!(matches!(listed, Err(FaultKind::Upstream)), "{text:?} {listed:?}");
    }
    let origin = Origin::saying(b"SSH-2.0-OpenSSH\r\n".to_vec()).await;
    assert_eq!(get(&store(&origin), "a").await, Err(FaultKind::Upstream));
    let whole = Origin::saying(answer("200 OK", &[], b"0123456789")).await;
    let part = store(&whole).fetch(&ObjectKey::new("a"), Some(mortar_actors::ByteRange::From(5))).await;
    assert_eq!(part.unwrap_err().kind(), FaultKind::Upstream, "the part was asked for and not given");
}

#[tokio::test]
async fn a_silent_endpoint_times_out_in_every_phase() {
    let once = S3Config { attempts: 1, ..config() };
    let silent = Origin::start(|_| Answer::Stall(Vec::new())).await;
    let first_byte = S3Config { first_byte_timeout: SHORT, ..once.clone() };
    assert_eq!(get(&store_with(&silent, &first_byte), "a").await, Err(FaultKind::TimedOut));
    assert_eq!(put(&store_with(&silent, &first_byte), "a", content(0)).await, Err(FaultKind::TimedOut));
    let half_body =
        Origin::start(|_| Answer::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec())).await;
    let idle_body = S3Config { idle_body_timeout: SHORT, ..once };
    assert_eq!(get(&store_with(&half_body, &idle_body), "a").await, Err(FaultKind::TimedOut));
    for origin in [silent, half_body] {
        origin.all_closed().await;
    }
}

#[tokio::test]
async fn a_truncated_body_never_looks_whole_and_is_not_asked_for_again() {
    let origin = Origin::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()).await;
    assert_eq!(get(&store(&origin), "a").await, Err(FaultKind::Upstream));
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn dropping_a_body_or_the_store_closes_connections() {
    let origin = Origin::start(|asked| match asked.line.contains("endless") {
        true => Answer::Endless(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".to_vec()),
        false => Answer::Whole(answer("200 OK", &[], b"body")),
    })
    .await;
    let store = store(&origin);
    drop(store.fetch(&ObjectKey::new("endless"), None).await.unwrap());
    origin.all_closed().await;
    assert_eq!(get(&store, "a").await.unwrap(), "body");
    assert_eq!(origin.open_connections(), 1, "kept for the next request");
    drop(store);
    origin.all_closed().await;
}

#[tokio::test]
async fn the_path_is_sent_as_it_is_signed() {
    let origin = Origin::start(|_| Answer::Whole(answer("204 No Content", &[], b""))).await;
    let store = store(&origin);
    let cases = [
        ("a//b", "/photos/a//b"),
        ("a/../b", "/photos/a/../b"),
        ("./x", "/photos/./x"),
        ("ü +%?#&", "/photos/%C3%BC%20%2B%25%3F%23%26"),
    ];
    for (key, path) in cases {
        delete(&store, key).await.unwrap();
        let asked = origin.asked().pop().unwrap();
        assert_eq!(asked.line, format!("DELETE {path} HTTP/1.1"), "{key}");
        assert!(asked.headers["authorization"].contains("/eu-central-1/s3/aws4_request"));
    }
}

#[tokio::test]
async fn a_name_that_some_endpoints_take_for_another_is_none() {
    let origin = Origin::start(|_| Answer::Whole(answer("200 OK", &[("etag", "\"e\"")], b""))).await;
    let store = store(&origin);
    for key in ["/a", "//a", "/.mortar/uploads/x"] {
        assert_eq!(get(&store, key).await, Err(FaultKind::NotFound), "{key}");
        let key = ObjectKey::new(key);
        assert_eq!(store.stat(&key).await.unwrap_err().kind(), FaultKind::NotFound);
        assert_eq!(store.link(&key, Duration::from_secs(1)).await.unwrap_err().kind(), FaultKind::NotFound);
        assert_eq!(put(&store, key.as_str(), content(1)).await.unwrap_err(), FaultKind::Invalid);
        delete(&store, key.as_str()).await.unwrap();
    }
    assert!(origin.asked().is_empty(), "{:?}", origin.asked().pop().map(|asked| asked.line));
}

/// An archive that remembers who asked for a restoration.
async fn archive() -> Origin {
    Origin::start(|asked| match asked.line.starts_with("POST") {
        true => Answer::Last(answer("202 Accepted", &[], b"")),
        false => Answer::Last(refusal("403 Forbidden", "InvalidObjectState")),
    })
    .await
}

fn archived_store(origin: &Origin, enabled: bool) -> S3Store {
    let glacier = GlacierConfig { enabled, retry_after: Duration::from_secs(300), ..GlacierConfig::default() };
    let storage = S3StorageConfig { glacier, ..storage(&format!("http://{}", origin.address), "secret") };
    S3Store::new("photos", &storage, &config())
}

#[tokio::test]
async fn an_archived_object_is_asked_back_once_and_the_reader_told_when_to_come_back() {
    let origin = archive().await;
    let store = archived_store(&origin, true);
    for _ in 0..3 {
        let fault = store.fetch(&ObjectKey::new("old.jpg"), None).await.unwrap_err();
        assert_eq!((fault.kind(), fault.wait_before_retry()), (FaultKind::Archived, Some(Duration::from_secs(300))));
    }
    let restorations: Vec<_> = origin.asked().into_iter().filter(|asked| asked.line.starts_with("POST")).collect();
    assert_eq!(restorations.len(), 1);
    assert_eq!(restorations[0].line, "POST /photos/old.jpg?restore= HTTP/1.1");
}

#[tokio::test]
async fn an_archived_object_stays_where_it_is_unless_the_bucket_says_otherwise() {
    let origin = archive().await;
    let fault = archived_store(&origin, false).fetch(&ObjectKey::new("old.jpg"), None).await.unwrap_err();
    assert_eq!((fault.kind(), fault.wait_before_retry()), (FaultKind::Archived, None));
    assert_eq!(origin.asked().len(), 1);
}

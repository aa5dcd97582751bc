//! HTTP origins that break their word, are slow, or send elsewhere.

use std::time::Duration;

use mortar::adapters::HttpOrigin;
use mortar::config::OriginConfig;
use mortar_actors::storage::Store;
use mortar_actors::{Body, FaultKind, ObjectKey};

use crate::contract::get;
use crate::origin::{Answer, Origin, SHORT, answer, config};

/// Fetches `a`, reads its body whole, and tells with what it failed.
async fn failure(origin: &Origin, config: &OriginConfig) -> FaultKind {
    get(&origin.store(config), "a").await.expect_err("it cannot succeed")
}

fn head(length: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn statuses_are_told_apart() {
    let cases = [
        ("404 Not Found", FaultKind::NotFound),
        ("410 Gone", FaultKind::NotFound),
        ("401 Unauthorized", FaultKind::Upstream),
        ("403 Forbidden", FaultKind::Upstream),
        ("500 Internal Server Error", FaultKind::Upstream),
        ("204 No Content", FaultKind::Upstream),
        ("304 Not Modified", FaultKind::Upstream),
        ("301 Moved Permanently", FaultKind::Upstream),
        ("416 Range Not Satisfiable", FaultKind::Upstream),
        ("999 Odd", FaultKind::Upstream),
    ];
    for (status, kind) in cases {
        let origin = Origin::saying(format!("HTTP/1.1 {status}\r\n\r\n")).await;
        assert_eq!(failure(&origin, &config()).await, kind, "{status}");
    }
}

#[tokio::test]
async fn an_overloaded_origin_says_how_long_to_wait() {
    let cases = [("429 Slow Down", "7", Some(7)), ("503 Busy", "999999", Some(3600)), ("503 Busy", "soon", None)];
    for (status, wait, expected) in cases {
        let origin = Origin::saying(answer(status, &[("retry-after", wait)], b"")).await;
        let fault = origin.store(&config()).fetch(&ObjectKey::new("a"), None).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Upstream);
        assert_eq!(fault.wait_before_retry(), expected.map(Duration::from_secs), "{status} {wait}");
    }
}

#[tokio::test]
async fn a_silent_origin_times_out_in_every_phase() {
    let silent = Origin::start(|_| Answer::Stall(Vec::new())).await;
    let first_byte = OriginConfig { first_byte_timeout: SHORT, ..config() };
    assert_eq!(failure(&silent, &first_byte).await, FaultKind::TimedOut);

    let half_headers = Origin::start(|_| Answer::Stall(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())).await;
    assert_eq!(failure(&half_headers, &first_byte).await, FaultKind::TimedOut);

    let half_body = Origin::start(|_| Answer::Stall([head(10), b"half".to_vec()].concat())).await;
    let idle_body = OriginConfig { idle_body_timeout: SHORT, ..config() };
    assert_eq!(failure(&half_body, &idle_body).await, FaultKind::TimedOut);

    // The handshake bytes hold no end of a request head, so this origin waits for ever.
    let no_tls = Origin::start(|_| Answer::Stall(Vec::new())).await;
    let tls = OriginConfig { tls_timeout: SHORT, ..config() };
    let url = format!("https://{}/<item>", no_tls.address);
    let store = HttpOrigin::new(&url, "photos", &Default::default(), &tls).unwrap();
    assert_eq!(get(&store, "a").await, Err(FaultKind::TimedOut));

    for origin in [silent, half_headers, half_body, no_tls] {
        origin.all_closed().await;
    }
}

#[tokio::test]
async fn a_truncated_body_never_looks_whole() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec();
    let broken_chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n".to_vec();
    for sent in [[head(10), b"half".to_vec()].concat(), head(10), chunked, broken_chunk] {
        let origin = Origin::saying(sent).await;
        let fetched = origin.store(&config()).fetch(&ObjectKey::new("a"), None).await.unwrap();
        assert_eq!(fetched.body.collect(100).await.unwrap_err().kind(), FaultKind::Upstream);
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_fault() {
    let many_headers: String = (0..2000).map(|i| format!("x-{i}: {}\r\n", "v".repeat(100))).collect();
    let cases = [
        Vec::new(),
        b"SSH-2.0-OpenSSH\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n".to_vec(),
        format!("HTTP/1.1 200 OK\r\n{many_headers}\r\n").into_bytes(),
    ];
    for sent in cases {
        let origin = Origin::saying(sent).await;
        assert_eq!(failure(&origin, &config()).await, FaultKind::Upstream);
    }
}

#[tokio::test]
async fn a_body_encoded_against_our_wish_is_a_fault() {
    let origin = Origin::saying(answer("200 OK", &[("content-encoding", "gzip")], b"\x1f\x8b")).await;
    assert_eq!(failure(&origin, &config()).await, FaultKind::Upstream);
}

#[tokio::test]
async fn headers_that_are_not_ascii_are_passed_over() {
    let headers = [("x-amz-meta-a", "ü"), ("content-type", "größe"), ("etag", "\"é\""), ("cache-control", "private")];
    let origin = Origin::saying(answer("200 OK", &headers, b"body")).await;
    let fetched = origin.store(&config()).fetch(&ObjectKey::new("a"), None).await.unwrap();
    assert_eq!((fetched.meta.content_type, fetched.meta.etag), (None, None));
    assert_eq!(fetched.meta.headers.len(), 1);
}

#[tokio::test]
async fn failing_over_and_over_leaves_no_connection_open() {
    let origin = Origin::start(|asked| match asked.line.contains("mid-body") {
        true => Answer::Last([head(10), b"half".to_vec()].concat()),
        false => Answer::Endless(b"HTTP/1.1 500 Oops\r\n\r\n".to_vec()),
    })
    .await;
    let store = origin.store(&config());
    for _ in 0..200 {
        assert_eq!(get(&store, "mid-body").await, Err(FaultKind::Upstream));
        assert_eq!(get(&store, "after-headers").await, Err(FaultKind::Upstream));
    }
    origin.all_closed().await;
}

#[tokio::test]
async fn dropping_a_half_read_body_or_a_waiting_fetch_closes_the_connection() {
    let origin = Origin::start(|asked| match asked.line.contains("endless") {
        true => Answer::Endless(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".to_vec()),
        false => Answer::Stall(Vec::new()),
    })
    .await;
    let store = origin.store(&OriginConfig { max_body_bytes: u64::MAX, ..config() });
    let fetched = store.fetch(&ObjectKey::new("endless"), None).await.unwrap();
    let Body::Stream(stream) = fetched.body else {
        panic!("an origin's body is streamed");
    };
    let mut chunks = stream.into_chunks();
    let chunk = futures::StreamExt::next(&mut chunks).await.unwrap().unwrap();
    assert!(chunk.len() <= 256 * 1024);
    drop(chunks);
    origin.all_closed().await;

    let key = ObjectKey::new("stalled");
    let waiting = async {
        while origin.asked().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = store.fetch(&key, None) => panic!("it never answers"),
        () = waiting => {}
    }
    origin.all_closed().await;
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_an_outage() {
    let gone = Origin::saying("").await.address;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    assert_ne!(gone, closed);
    for host in [closed.to_string(), "mortar-test.invalid".to_owned()] {
        let store =
            HttpOrigin::new(&format!("http://{host}/<item>"), "photos", &Default::default(), &config()).unwrap();
        assert_eq!(get(&store, "a").await, Err(FaultKind::Upstream), "{host}");
        assert!(store.check().await.is_err());
    }
}

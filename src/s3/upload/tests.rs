use futures::StreamExt;
use hyper::header::{HeaderName, HeaderValue};

use super::*;

const LIMITS: UploadLimits =
    UploadLimits { bytes: 1000, timeout: Duration::from_secs(60), idle: Duration::from_secs(5), min_rate: 0 };

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    pairs.iter().map(pair).collect()
}

/// A body of these pieces, whose end comes unless `stays_open`.
async fn receive(head: &[(&'static str, &str)], pieces: Vec<&'static str>, stays_open: bool) -> S3Result<Received> {
    let (sender, receiver) = mpsc::channel(16);
    for piece in pieces {
        sender.send(Ok(Bytes::from_static(piece.as_bytes()))).await.unwrap();
    }
    if stays_open {
        std::mem::forget(sender);
    } else {
        drop(sender);
    }
    Upload::new(receiver).receive(None, &headers(head), "secret", LIMITS).await
}

/// What a store gets, and what is said of it in the end.
async fn stored(received: Received) -> (String, Option<String>) {
    let Received { body, verdict, .. } = received;
    let Body::Stream(body) = body else { return (String::new(), None) };
    let mut text = String::new();
    let mut chunks = body.into_chunks();
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
            Err(_) => {
                let error = verdict.error_or(|| s3_error!(InternalError));
                return (text, Some(error.code().as_str().to_owned()));
            }
        }
    }
    (text, None)
}

#[tokio::test(start_paused = true)]
async fn a_plain_body_passes_in_its_pieces() {
    let received = receive(&[("content-length", "5")], vec!["he", "llo"], false).await.unwrap();
    assert_eq!(received.length, 5);
    assert_eq!(stored(received).await, ("hello".to_owned(), None));
}

#[tokio::test(start_paused = true)]
async fn a_framed_body_loses_its_frames() {
    let head = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("content-length", "50"),
    ];
    let body = vec!["5\r\nhe", "llo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"];
    let received = receive(&head, body, false).await.unwrap();
    assert_eq!(stored(received).await, ("hello".to_owned(), None));
}

#[tokio::test(start_paused = true)]
async fn a_store_never_has_all_of_a_body_that_is_refused_at_its_end() {
    let wrong = [("content-length", "5"), ("x-amz-checksum-crc32", "AAAAAA==")];
    let received = receive(&wrong, vec!["he", "llo"], false).await.unwrap();
    assert_eq!(stored(received).await, ("he".to_owned(), Some("BadDigest".to_owned())));
    for (pieces, code) in [(vec!["he"], "IncompleteBody"), (vec!["he", "llo", "!"], "InvalidRequest")] {
        let received = receive(&[("content-length", "5")], pieces, false).await.unwrap();
        assert_eq!(stored(received).await, ("he".to_owned(), Some(code.to_owned())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_pauses_for_too_long_is_not_waited_for() {
    let received = receive(&[("content-length", "5")], vec!["he"], true).await.unwrap();
    assert_eq!(stored(received).await, ("he".to_owned(), Some("RequestTimeout".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn what_can_be_refused_by_the_head_is_refused_by_the_head() {
    for (head, code) in [
        (vec![], "MissingContentLength"),
        (vec![("content-length", "1001")], "EntityTooLarge"),
        (vec![("content-length", "5"), ("content-md5", "x")], "InvalidDigest"),
        (vec![("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")], "MissingContentLength"),
    ] {
        let refused = receive(&head, vec![], false).await.err().unwrap();
        assert_eq!(refused.code().as_str(), code, "{head:?}");
    }
    let unsigned =
        [("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ("x-amz-decoded-content-length", "5")];
    assert_eq!(receive(&unsigned, vec![], false).await.err().unwrap().code().as_str(), "AccessDenied");
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_judged_although_nobody_reads_it() {
    let received = receive(&[("content-length", "0")], vec![], false).await.unwrap();
    assert!(matches!(received.body, Body::Empty));
    let wrong = [("content-length", "0"), ("x-amz-checksum-crc32", "NhCmhg==")];
    assert_eq!(receive(&wrong, vec![], false).await.err().unwrap().code().as_str(), "BadDigest");
}

//! HTTP origins: what is read, and how it is asked for.

use std::time::{Duration, SystemTime};

use mortar::adapters::HttpOrigin;
use mortar_actors::storage::Store;
use mortar_actors::{ByteRange, EntityTag, FaultKind, ObjectKey};

use crate::contract::{self, content, delete, get, get_range, put};
use crate::origin::{Answer, Asked, Origin, answer, config};

/// Answers a range as an honest server does.
fn ranged(asked: &Asked, content: &[u8]) -> Vec<u8> {
    let Some(range) = asked.headers.get("range") else {
        return answer("200 OK", &[], content);
    };
    let total = content.len();
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.min(total - 1)),
        (Ok(first), Err(_)) => (first, total - 1),
        (_, last) => (total.saturating_sub(last.unwrap_or(0)), total - 1),
    };
    if first > last || first >= total {
        return answer("416 Range Not Satisfiable", &[("content-range", &format!("bytes */{total}"))], b"");
    }
    let part = format!("bytes {first}-{last}/{total}");
    answer("206 Partial Content", &[("content-range", &part)], &content[first..=last])
}

#[tokio::test]
async fn ranges_are_passed_through() {
    let whole = content(200_000);
    let served = whole.clone();
    let origin = Origin::start(move |asked| Answer::Whole(ranged(asked, &served))).await;
    contract::ranges(&origin.store(&config()), "a", &whole).await;
    let asked = origin.asked();
    assert!(asked.iter().all(|asked| asked.line.starts_with("GET ")));
    assert_eq!(asked[1].headers["range"], "bytes=2-7");
}

#[tokio::test]
async fn an_origin_that_ignores_ranges_has_them_cut() {
    let whole = content(200_000);
    let served = whole.clone();
    let origin = Origin::start(move |_| Answer::Whole(answer("200 OK", &[], &served))).await;
    contract::ranges(&origin.store(&config()), "a", &whole).await;
}

#[tokio::test]
async fn an_origin_that_ignores_ranges_and_tells_no_length_gives_the_whole() {
    let origin = Origin::saying("HTTP/1.1 200 OK\r\n\r\nwhole").await;
    let fetched = origin.store(&config()).fetch(&ObjectKey::new("a"), Some(ByteRange::From(2))).await.unwrap();
    assert_eq!(fetched.part, None);
    assert_eq!(fetched.body.collect(100).await.unwrap(), "whole");
}

#[tokio::test]
async fn another_part_than_was_asked_for_is_a_fault() {
    for range in ["bytes 0-3/10", "bytes 1-4/*", "bytes 4-1/10", "bytes 1-4", "1-4/10", ""] {
        let origin = Origin::saying(answer("206 Partial Content", &[("content-range", range)], b"1234")).await;
        let read = get_range(&origin.store(&config()), "a", Some(ByteRange::Between(1, 4))).await;
        assert_eq!(read, Err(FaultKind::Upstream), "{range}");
    }
    let origin = Origin::saying(answer("206 Partial Content", &[("content-range", "bytes 1-6/10")], b"1234")).await;
    let read = get_range(&origin.store(&config()), "a", Some(ByteRange::Between(1, 6))).await;
    assert_eq!(read, Err(FaultKind::Upstream), "fewer bytes than the part has");
    let origin = Origin::saying(answer("206 Partial Content", &[("content-range", "bytes 0-3/4")], b"1234")).await;
    assert_eq!(get(&origin.store(&config()), "a").await, Err(FaultKind::Upstream), "nobody asked for a part");
}

#[tokio::test]
async fn one_get_tells_everything_and_reuses_its_connection() {
    let headers = [
        ("Content-Type", "image/jpeg"),
        ("ETag", "W/\"abc\""),
        ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Cache-Control", "max-age=60"),
        ("Content-Disposition", "inline"),
        ("x-amz-meta-who", "me"),
        ("X-Powered-By", "rumours"),
        ("Set-Cookie", "a=b"),
        ("Server", "Apache"),
    ];
    let origin = Origin::start(move |asked| {
        let body = if asked.line.starts_with("HEAD") { &b""[..] } else { b"body!" };
        let answer = answer("200 OK", &headers, b"body!");
        Answer::Whole(answer[..answer.len() - 5 + body.len()].to_vec())
    })
    .await;
    let store = origin.store(&config());
    let fetched = store.fetch(&ObjectKey::new("a b/c.jpg"), None).await.unwrap();
    assert_eq!(fetched.meta.length, Some(5));
    assert_eq!(fetched.meta.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(fetched.meta.etag, Some(EntityTag::new("abc")));
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(fetched.meta.last_modified, Some(date));
    let kept: Vec<_> = fetched.meta.headers.keys().map(String::as_str).collect();
    assert_eq!(kept, ["cache-control", "content-disposition", "x-amz-meta-who"]);
    assert_eq!(fetched.part, None);
    assert_eq!(fetched.body.collect(5).await.unwrap(), "body!");

    let asked = origin.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "GET /photos/a%20b/c.jpg HTTP/1.1");
    assert_eq!(asked[0].headers["x-secret"], "s3cr3t");
    assert_eq!(asked[0].headers["accept-encoding"], "identity");
    assert_eq!(asked[0].headers["host"], origin.address.to_string());

    assert_eq!(store.stat(&ObjectKey::new("a")).await.unwrap(), fetched.meta);
    assert_eq!(origin.asked()[1].line, "HEAD /photos/a HTTP/1.1");
    assert_eq!(origin.open_connections(), 1);
}

#[tokio::test]
async fn odd_names_reach_the_origin_encoded() {
    let origin = Origin::start(|_| Answer::Whole(answer("200 OK", &[], b"x"))).await;
    let store = origin.store(&config());
    for key in contract::odd_keys().into_iter().chain(["a//b".to_owned(), "/a".to_owned(), "a\r\nb: c".to_owned()]) {
        assert_eq!(get(&store, &key).await.unwrap(), "x", "{key}");
        let line = origin.asked().pop().unwrap().line;
        let path = line.strip_prefix("GET /photos/").unwrap().strip_suffix(" HTTP/1.1").unwrap();
        assert_eq!(percent_encoding::percent_decode_str(path).decode_utf8().unwrap(), key);
    }
    let before = origin.asked().len();
    for key in ["..", "../x", "a/../../x", "a/./b"] {
        assert_eq!(get(&store, key).await, Err(FaultKind::NotFound), "{key}");
    }
    assert_eq!(origin.asked().len(), before, "a key that climbs is not even asked for");
}

#[tokio::test]
async fn an_origin_cannot_be_written() {
    let origin = Origin::saying("").await;
    let store = origin.store(&config());
    assert_eq!(put(&store, "a", content(1)).await, Err(FaultKind::Unsupported));
    assert_eq!(delete(&store, "a").await, Err(FaultKind::Unsupported));
    assert!(origin.asked().is_empty());
}

#[tokio::test]
async fn an_origin_is_well_when_it_answers() {
    for (status, well) in [("200 OK", true), ("404 Not Found", true), ("403 Forbidden", true), ("500 Oops", false)] {
        let origin = Origin::saying(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(origin.store(&config()).check().await.is_ok(), well, "{status}");
        assert_eq!(origin.asked()[0].line, "HEAD / HTTP/1.1");
    }
}

#[tokio::test]
async fn dropping_the_store_closes_its_connections() {
    let origin = Origin::start(|_| Answer::Whole(answer("200 OK", &[], b"x"))).await;
    let store: HttpOrigin = origin.store(&config());
    assert_eq!(get(&store, "a").await.unwrap(), "x");
    drop(store);
    origin.all_closed().await;
}

//! One body type and one responder: nothing about an answer depends on how its body came.

use std::future::ready;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::HttpResponse;
use actix_web::body::to_bytes;
use actix_web::http::Method;
use actix_web::test::TestRequest;
use bytes::Bytes;
use futures::stream;
use mortar::respond::{self, Extras};
use mortar_actors::{Body, ByteRange, ByteStream, EntityTag, Fault, FaultKind, Fetched, ObjectMeta};

const CONTENT: &[u8] = b"twenty-six letters, or so";

/// How a store brings its bodies.
#[derive(Clone, Copy, PartialEq)]
enum Bringing {
    Buffered,
    Streamed,
}

fn fetch(how: Bringing, range: Option<ByteRange>) -> Result<Fetched, Fault> {
    let total = CONTENT.len() as u64;
    let outside = || Fault::new(FaultKind::RangeNotSatisfiable { total }, "outside");
    let part = range.map(|range| range.within(total).ok_or_else(outside)).transpose()?;
    let bytes = part.map_or(CONTENT, |part| &CONTENT[part.first as usize..=part.last as usize]);
    let body = match how {
        Bringing::Buffered => Body::Bytes(Bytes::from_static(bytes)),
        Bringing::Streamed => {
            let chunks: Vec<_> = bytes.chunks(7).map(|chunk| Ok(Bytes::from_static(chunk))).collect();
            Body::Stream(ByteStream::new(Some(bytes.len() as u64), stream::iter(chunks)))
        }
    };
    let meta = ObjectMeta {
        length: Some(total),
        content_type: Some("image/png".to_owned()),
        etag: Some(EntityTag::new("v1")),
        last_modified: Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
        headers: [("cache-control".to_owned(), "max-age=5".to_owned())].into(),
    };
    Ok(Fetched { meta, part, body })
}

/// Everything that a client can see of an answer: status, length, headers, bytes. The boundary between parts is random.
async fn seen(method: &Method, headers: &[(&'static str, &'static str)], how: Bringing) -> String {
    let request = headers
        .iter()
        .fold(TestRequest::default().method(method.clone()), |request, header| request.insert_header(*header));
    let request = request.to_http_request();
    let response: HttpResponse =
        match respond::object(&request, Extras::default(), move |range| ready(fetch(how, range))).await {
            Ok(response) => response,
            Err(fault) => return format!("{fault:?}"),
        };
    let mut told: Vec<_> = response.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    told.sort();
    let boundary = response
        .headers()
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once("boundary=").map(|(_, boundary)| boundary.trim_matches('"').to_owned()));
    let (status, size) = (response.status(), format!("{:?}", actix_web::body::MessageBody::size(response.body())));
    let body = String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap();
    // An error tells the number of its request, which is another one each time.
    let body = if status.is_success() { body } else { String::new() };
    let seen = format!("{status} {size}\n{}\n\n{body}", told.join("\n"));
    boundary.map_or(seen.clone(), |boundary| seen.replace(&boundary, "BOUNDARY"))
}

/// Whatever is asked (whole, in part, in parts, conditionally, by HEAD), a body that lies in memory and one that streams
/// are answered by the same bytes under the same headers. There is one enum of bodies, with exactly three forms, so two
/// of them cannot disagree.
///
/// Red when streamed bodies lose their length: `Payload::stream(None, ..)` in `Payload::of` (`src/respond/payload.rs`).
#[actix_web::test]
async fn fault_23_a_streamed_and_a_buffered_body_are_answered_alike() {
    let asked: [&[(&str, &str)]; 10] = [
        &[],
        &[("range", "bytes=3-9")],
        &[("range", "bytes=-4")],
        &[("range", "bytes=0-1,5-9")],
        &[("range", "bytes=999-")],
        &[("range", "bytes=3-9"), ("if-range", "\"v1\"")],
        &[("range", "bytes=3-9"), ("if-range", "\"v0\"")],
        &[("if-none-match", "\"v1\"")],
        &[("if-match", "\"v0\"")],
        &[("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT")],
    ];
    for headers in asked {
        for method in [Method::GET, Method::HEAD] {
            let (buffered, streamed) =
                (seen(&method, headers, Bringing::Buffered).await, seen(&method, headers, Bringing::Streamed).await);
            assert_eq!(buffered, streamed, "{method} {headers:?}");
        }
    }
    // Three forms and no fourth: a field beside another is a compile error here.
    let forms = [Body::Empty, Body::Bytes(Bytes::new()), Body::Stream(ByteStream::new(None, stream::empty()))];
    for body in forms {
        match body {
            Body::Empty | Body::Bytes(_) | Body::Stream(_) => {}
        }
    }
}

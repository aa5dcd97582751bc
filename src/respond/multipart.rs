use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use mortar_actors::{Body, ContentRange, Fault};

use super::payload::{Chunks, Payload, PayloadChunks};

/// The layout of a `multipart/byteranges` body (RFC 9110, section 14.6): a head before each part and one end.
///
/// Only heads and the end are made; the parts themselves are slices of a shared buffer, or streams that are opened one
/// after another.
pub(crate) struct Multipart {
    content_type: HeaderValue,
    parts: Vec<(Bytes, ContentRange)>,
    end: Bytes,
}

impl Multipart {
    /// Lays out `parts` of an object of type `content_type`.
    pub(crate) fn new(parts: &[ContentRange], content_type: &HeaderValue) -> Self {
        let boundary = format!("{:032x}", rand::random::<u128>());
        let media_type = content_type.to_str().unwrap_or("application/octet-stream");
        let head = |part: &ContentRange| {
            let ContentRange { first, last, total } = part;
            format!(
                "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {first}-{last}/{total}\r\n\r\n"
            )
        };
        let content_type = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"));
        Self {
            content_type: content_type.expect("a boundary is made of hexadecimal digits"),
            parts: parts.iter().map(|part| (Bytes::from(head(part)), *part)).collect(),
            end: Bytes::from(format!("\r\n--{boundary}--\r\n")),
        }
    }

    /// The media type of the whole body, with its boundary.
    pub(crate) fn content_type(&self) -> HeaderValue {
        self.content_type.clone()
    }

    /// The number of bytes of the whole body.
    pub(crate) fn length(&self) -> u64 {
        let parts: u64 = self.parts.iter().map(|(head, part)| head.len() as u64 + part.len()).sum();
        parts + self.end.len() as u64
    }

    /// The body. `fetch` is called for a part once everything before it was read, and not at all when the reader
    /// leaves earlier. A part of another length than its range fails the stream.
    pub(crate) fn into_chunks<Fetch, Fetching>(self, fetch: Fetch) -> Chunks
    where
        Fetch: Fn(ContentRange) -> Fetching + 'static,
        Fetching: Future<Output = Result<Body, Fault>> + 'static,
    {
        let end = once(self.end);
        let parts = stream::iter(self.parts).flat_map(move |(head, part)| {
            let body = fetch(part);
            let chunks = async move { Ok(PayloadChunks(Payload::of(body.await?, Some(part.len()))?)) };
            once(head).chain(stream::once(chunks).try_flatten())
        });
        parts.chain(end).boxed_local()
    }
}

fn once(bytes: Bytes) -> impl Stream<Item = Result<Bytes, Fault>> {
    stream::once(std::future::ready(Ok(bytes)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;
    use std::rc::Rc;

    use mortar_actors::{ByteStream, FaultKind};

    use super::*;

    const PARTS: [ContentRange; 2] =
        [ContentRange { first: 0, last: 1, total: 10 }, ContentRange { first: 7, last: 9, total: 10 }];

    fn layout() -> Multipart {
        Multipart::new(&PARTS, &HeaderValue::from_static("image/png"))
    }

    fn slice(whole: &Bytes, part: ContentRange) -> Bytes {
        whole.slice(part.first as usize..=part.last as usize)
    }

    #[tokio::test]
    async fn the_body_has_the_announced_length_and_shape() {
        let layout = layout();
        let boundary = layout.content_type().to_str().unwrap().split_once("boundary=").unwrap().1.to_owned();
        let length = layout.length();
        let whole = Bytes::from_static(b"0123456789");
        let body: Vec<Bytes> =
            layout.into_chunks(move |part| ready(Ok(Body::Bytes(slice(&whole, part))))).try_collect().await.unwrap();
        let body = String::from_utf8(body.concat()).unwrap();
        assert_eq!(body.len() as u64, length);
        let head =
            |range| format!("\r\n--{boundary}\r\nContent-Type: image/png\r\nContent-Range: bytes {range}/10\r\n\r\n");
        assert_eq!(body, format!("{}01{}789\r\n--{boundary}--\r\n", head("0-1"), head("7-9")));
    }

    #[tokio::test]
    async fn parts_are_slices_of_the_shared_buffer() {
        let whole = Bytes::from(b"0123456789".to_vec());
        let shared = whole.clone();
        let body: Vec<Bytes> =
            layout().into_chunks(move |part| ready(Ok(Body::Bytes(slice(&shared, part))))).try_collect().await.unwrap();
        assert_eq!(body[1].as_ptr(), whole.as_ptr());
        assert_eq!(body[3].as_ptr(), whole[7..].as_ptr());
    }

    #[tokio::test]
    async fn a_part_is_opened_only_when_its_turn_comes() {
        let opened = Rc::new(Cell::new(0));
        let counter = Rc::clone(&opened);
        let mut chunks = layout().into_chunks(move |part| {
            counter.set(counter.get() + 1);
            ready(Ok(Body::Bytes(Bytes::from(vec![0; part.len() as usize]))))
        });
        chunks.try_next().await.unwrap();
        chunks.try_next().await.unwrap();
        drop(chunks);
        assert_eq!(opened.get(), 1);
    }

    #[tokio::test]
    async fn a_part_that_is_short_fails_the_body() {
        let short = || Body::Stream(ByteStream::new(None, stream::iter([Ok(Bytes::from_static(b"0"))])));
        let body: Result<Vec<Bytes>, Fault> = layout().into_chunks(move |_| ready(Ok(short()))).try_collect().await;
        assert_eq!(body.unwrap_err().kind(), FaultKind::Upstream);
    }
}

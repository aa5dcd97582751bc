use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT_RANGES, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_RANGE, LAST_MODIFIED, TRANSFER_ENCODING,
};
use actix_web::{HttpRequest, HttpResponse};
use mortar_actors::{Body, ByteRange, ContentRange, Fault, FaultKind, Fetched, ObjectMeta};

use super::answer::{Answer, Describe};
use super::conditional::has_preconditions;
use super::rendition::media_type;
use super::{Extras, Payload, Selection, Validators, range, select_ranges};

/// Headers that this program says itself, whatever a store remembers of them.
const OWN: [HeaderName; 9] = [
    ACCEPT_RANGES,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    DATE,
    ETAG,
    LAST_MODIFIED,
    TRANSFER_ENCODING,
];

/// Answers a GET or HEAD with an object as it is, streamed: 200, 206, 304, 412 or 416.
///
/// `fetch` reads the object or one range of it. A plain request and a single range cost one call. Several ranges, and a
/// range under `If-Range`, cost one more for each part, made when the client has read that far; a part of another
/// version than the first answer fails the body. A range outside the object costs one more under preconditions. A store
/// that ignores ranges is answered with the whole object.
///
/// The answer waits for the first chunk of its body, several ranges aside, so that a store that fails before it is told
/// by a status.
///
/// # Errors
/// What `fetch`, or the body before its first chunk, failed with, to be answered by
/// [`error::answer`](crate::error::answer); `Upstream` when what was brought contradicts itself.
pub async fn object<Fetch, Fetching>(
    request: &HttpRequest,
    extras: Extras<'_>,
    fetch: Fetch,
) -> Result<HttpResponse, Fault>
where
    Fetch: Fn(Option<ByteRange>) -> Fetching + 'static,
    Fetching: Future<Output = Result<Fetched, Fault>> + 'static,
{
    let mut first_range = range_of_first_fetch(request);
    let mut fetched = fetch(first_range).await;
    if lies_outside(&fetched) && has_preconditions(request.headers()) {
        // Preconditions come before ranges, and a range outside says nothing of the version that they are about.
        first_range = None;
        fetched = fetch(None).await;
    }
    let Fetched { meta, part, body } = fetched?;
    let answer = Answer::new(request, &meta, extras);
    if let Some(response) = answer.to_preconditions() {
        return Ok(response);
    }
    if let Some(part) = part {
        return Ok(answer.part(part, begun(request, body, Some(part.len())).await?));
    }
    if let Body::Bytes(whole) = &body {
        return Ok(answer.buffered(whole));
    }
    // A store that was asked for a range and brought the whole knows no ranges; asking again would not help.
    let total = meta.length.or(body.length()).filter(|_| first_range.is_none());
    let Some(total) = total else {
        return Ok(answer.whole(begun(request, body, meta.length).await?));
    };
    let parts = match select_ranges(&answer.ranges(), total) {
        Selection::Whole => return Ok(answer.whole(begun(request, body, Some(total)).await?)),
        Selection::Unsatisfiable => return Ok(answer.unsatisfiable(total)),
        Selection::One(part) => vec![part],
        Selection::Several(parts) => parts,
    };
    // The ranges are read by themselves; the whole is let go before the first of them is opened.
    drop(body);
    let version = meta.clone();
    let fetch_part = move |part: ContentRange| {
        let fetching = fetch(Some(ByteRange::Between(part.first, part.last)));
        let version = version.clone();
        async move { same_version(&version, part, fetching.await?) }
    };
    match parts.as_slice() {
        [one] => {
            let body = fetch_part(*one).await?;
            Ok(answer.part(*one, begun(request, body, Some(one.len())).await?))
        }
        several => Ok(answer.parts(several, fetch_part)),
    }
}

/// Answers a HEAD from metadata alone, with the headers that a GET would have: 200, 304 or 412.
pub fn object_head(request: &HttpRequest, meta: &ObjectMeta, extras: Extras<'_>) -> HttpResponse {
    let answer = Answer::new(request, meta, extras);
    answer.to_preconditions().unwrap_or_else(|| answer.whole(Payload::length_only(meta.length)))
}

impl Describe for ObjectMeta {
    fn validators(&self) -> Validators<'_> {
        Validators { etag: self.etag.as_ref(), last_modified: self.last_modified }
    }

    fn content_type(&self) -> HeaderValue {
        media_type(self.content_type.as_deref().unwrap_or_default())
    }

    fn write_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            else {
                continue;
            };
            if !OWN.contains(&name) {
                headers.insert(name, value);
            }
        }
    }
}

/// A body of which the first chunk is there. HEAD gets none, so its source is not waited for.
async fn begun(request: &HttpRequest, body: Body, length: Option<u64>) -> Result<Payload, Fault> {
    let payload = Payload::of(body, length)?;
    if request.method() == Method::HEAD { Ok(payload) } else { payload.begun().await }
}

/// A single range can be read without knowing the object. Everything else needs its size or version first.
fn range_of_first_fetch(request: &HttpRequest) -> Option<ByteRange> {
    match range::asked(request).as_slice() {
        [one] if !request.headers().contains_key(IF_RANGE) => Some(*one),
        _ => None,
    }
}

fn lies_outside(fetched: &Result<Fetched, Fault>) -> bool {
    matches!(fetched.as_ref().map_err(Fault::kind), Err(FaultKind::RangeNotSatisfiable { .. }))
}

/// The bytes of a part that was read after the metadata, if both are of one version.
fn same_version(version: &ObjectMeta, part: ContentRange, fetched: Fetched) -> Result<Body, Fault> {
    let same = fetched.part == Some(part)
        && fetched.meta.etag == version.etag
        && fetched.meta.last_modified == version.last_modified;
    if same { Ok(fetched.body) } else { Err(Fault::new(FaultKind::Upstream, "the object changed while it was read")) }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::ready;
    use std::rc::Rc;
    use std::sync::Arc;

    use actix_web::body::{BodySize, MessageBody, to_bytes};
    use actix_web::http::StatusCode;
    use actix_web::http::header::{CACHE_CONTROL, IF_MATCH, IF_NONE_MATCH, RANGE};
    use actix_web::test::TestRequest;
    use bytes::Bytes;
    use futures::stream;
    use mortar_actors::{ByteStream, EntityTag};

    use super::*;

    const CONTENT: &[u8] = b"0123456789";

    /// Cloned into each open body, and shared by the clones of a store.
    #[derive(Default)]
    struct Bodies(Arc<()>);

    /// A store of one object that counts what it is asked for.
    #[derive(Clone, Default)]
    struct OneObject {
        asked: Rc<RefCell<Vec<Option<ByteRange>>>>,
        open: Rc<Bodies>,
        ignores_ranges: bool,
        changes: bool,
    }

    impl OneObject {
        fn fetch(&self, range: Option<ByteRange>) -> Result<Fetched, Fault> {
            let calls = self.asked.borrow().len();
            self.asked.borrow_mut().push(range);
            let total = CONTENT.len() as u64;
            let part = match range {
                Some(range) if !self.ignores_ranges => {
                    let outside = || Fault::new(FaultKind::RangeNotSatisfiable { total }, "outside");
                    Some(range.within(total).ok_or_else(outside)?)
                }
                _ => None,
            };
            let bytes = part.map_or(CONTENT, |part| &CONTENT[part.first as usize..=part.last as usize]);
            let chunks = bytes.chunks(3).map(|chunk| Ok(Bytes::from_static(chunk)));
            let chunks = stream::iter(chunks.collect::<Vec<_>>());
            let body =
                Body::Stream(ByteStream::new(Some(bytes.len() as u64), chunks)).holding(Arc::clone(&self.open.0));
            let version = if self.changes { calls } else { 0 };
            Ok(Fetched { meta: meta(&format!("v{version}")), part, body })
        }

        async fn answer(&self, method: Method, headers: &[(HeaderName, &str)]) -> Result<HttpResponse, Fault> {
            let request = headers.iter().fold(TestRequest::default().method(method), |request, header| {
                request.insert_header((header.0.clone(), header.1))
            });
            let store = self.clone();
            object(&request.to_http_request(), Extras::default(), move |range| ready(store.fetch(range))).await
        }

        fn open_bodies(&self) -> usize {
            Arc::strong_count(&self.open.0) - 1
        }
    }

    fn meta(etag: &str) -> ObjectMeta {
        let headers = [("cache-control", "max-age=5"), ("content-length", "3"), ("x-amz-meta-a", "b")];
        ObjectMeta {
            length: Some(CONTENT.len() as u64),
            content_type: Some("image/jpeg".to_owned()),
            etag: Some(EntityTag::new(etag)),
            last_modified: None,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }

    async fn body_of(response: HttpResponse) -> Bytes {
        to_bytes(response.into_body()).await.unwrap()
    }

    /// Red when the size is asked for first: a `fetch(None)` before the one that is answered with.
    #[tokio::test]
    async fn fault_13_a_get_and_a_single_range_cost_one_fetch() {
        let store = OneObject::default();
        let response = store.answer(Method::GET, &[]).await.unwrap();
        assert_eq!((response.status(), response.body().size()), (StatusCode::OK, BodySize::Sized(10)));
        assert_eq!(response.headers().get("x-amz-meta-a").unwrap(), "b");
        assert!(!response.headers().contains_key(CONTENT_LENGTH));
        assert_eq!(body_of(response).await, CONTENT);

        let response = store.answer(Method::GET, &[(RANGE, "bytes=2-5")]).await.unwrap();
        assert_eq!((response.status(), response.body().size()), (StatusCode::PARTIAL_CONTENT, BodySize::Sized(4)));
        assert_eq!(response.headers().get(CONTENT_RANGE).unwrap(), "bytes 2-5/10");
        assert_eq!(body_of(response).await, "2345");
        assert_eq!(*store.asked.borrow(), [None, Some(ByteRange::Between(2, 5))]);
    }

    /// Red when the answer to HEAD keeps its source: `without_body` that keeps `self.source` (`src/respond/payload.rs`).
    #[tokio::test]
    async fn fault_04_head_304_and_a_reader_who_leaves_close_the_source_unread() {
        let store = OneObject::default();
        let head = store.answer(Method::HEAD, &[]).await.unwrap();
        assert_eq!((head.body().size(), store.open_bodies()), (BodySize::Sized(10), 0));

        let known = store.answer(Method::GET, &[(IF_NONE_MATCH, "\"v0\"")]).await.unwrap();
        assert_eq!((known.status(), store.open_bodies()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(known.headers().get(CACHE_CONTROL).unwrap(), "max-age=5");
        assert!(!known.headers().contains_key("x-amz-meta-a"));

        let left = store.answer(Method::GET, &[]).await.unwrap();
        assert_eq!(store.open_bodies(), 1);
        drop(left);
        assert_eq!(store.open_bodies(), 0);
    }

    #[tokio::test]
    async fn several_ranges_are_read_one_by_one() {
        let store = OneObject::default();
        let response = store.answer(Method::GET, &[(RANGE, "bytes=0-1,5-6")]).await.unwrap();
        assert_eq!((response.status(), store.open_bodies()), (StatusCode::PARTIAL_CONTENT, 0));
        assert_eq!(*store.asked.borrow(), [None]);
        let BodySize::Sized(length) = response.body().size() else { panic!("the length is not told") };
        let body = body_of(response).await;
        assert_eq!(body.len() as u64, length);
        assert_eq!(store.asked.borrow()[1..], [Some(ByteRange::Between(0, 1)), Some(ByteRange::Between(5, 6))]);
    }

    #[tokio::test]
    async fn a_range_under_if_range_is_read_once_its_version_is_known() {
        let store = OneObject::default();
        let range = (RANGE, "bytes=8-");
        let same = store.answer(Method::GET, &[range.clone(), (IF_RANGE, "\"v0\"")]).await.unwrap();
        assert_eq!(same.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(body_of(same).await, "89");
        let other = store.answer(Method::GET, &[range, (IF_RANGE, "\"old\"")]).await.unwrap();
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn an_object_that_changes_between_its_parts_fails_the_body() {
        let store = OneObject { changes: true, ..OneObject::default() };
        let response = store.answer(Method::GET, &[(RANGE, "bytes=0-1,5-6")]).await.unwrap();
        assert!(to_bytes(response.into_body()).await.is_err());
    }

    #[tokio::test]
    async fn a_store_that_knows_no_ranges_is_asked_once_and_answered_whole() {
        let store = OneObject { ignores_ranges: true, ..OneObject::default() };
        let response = store.answer(Method::GET, &[(RANGE, "bytes=2-5")]).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(body_of(response).await, CONTENT);
        assert_eq!(store.asked.borrow().len(), 1);
    }

    #[tokio::test]
    async fn a_buffered_object_is_cut_without_another_fetch() {
        let request = TestRequest::get().insert_header((RANGE, "bytes=0-1,8-9")).to_http_request();
        let buffered =
            |_| ready(Ok(Fetched { meta: meta("v0"), part: None, body: Bytes::from_static(CONTENT).into() }));
        let response = object(&request, Extras::default(), buffered).await.unwrap();
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        let body = body_of(response).await;
        assert!(body.windows(2).any(|pair| pair == b"01") && body.windows(2).any(|pair| pair == b"89"));
    }

    #[tokio::test]
    async fn a_range_outside_is_the_fault_of_the_store() {
        let fault = OneObject::default().answer(Method::GET, &[(RANGE, "bytes=10-")]).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::RangeNotSatisfiable { total: 10 });
    }

    #[tokio::test]
    async fn preconditions_come_before_a_range_outside() {
        let outside = (RANGE, "bytes=10-");
        let asked = async |condition| {
            OneObject::default().answer(Method::GET, &[outside.clone(), condition]).await.unwrap().status()
        };
        assert_eq!(asked((IF_NONE_MATCH, "\"v0\"")).await, StatusCode::NOT_MODIFIED);
        assert_eq!(asked((IF_MATCH, "\"v1\"")).await, StatusCode::PRECONDITION_FAILED);
        assert_eq!(asked((IF_NONE_MATCH, "\"v1\"")).await, StatusCode::RANGE_NOT_SATISFIABLE);
    }

    #[test]
    fn a_head_from_metadata_has_the_headers_of_a_get() {
        let request = TestRequest::default().method(Method::HEAD).to_http_request();
        let response = object_head(&request, &meta("v0"), Extras::default());
        assert_eq!((response.status(), response.body().size()), (StatusCode::OK, BodySize::Sized(10)));
        assert_eq!(response.headers().get(ETAG).unwrap(), "\"v0\"");
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "image/jpeg");
    }
}

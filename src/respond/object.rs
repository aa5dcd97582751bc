use actix_web::http::header::{
    ACCEPT_RANGES, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_RANGE, LAST_MODIFIED, TRANSFER_ENCODING,
};
use actix_web::{HttpRequest, HttpResponse};
use mortar_actors::{Body, ByteRange, ContentRange, Fault, FaultKind, Fetched, ObjectMeta};

use super::answer::{Answer, Describe};
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
/// version than the first answer fails the body. A store that ignores ranges is answered with the whole object.
///
/// # Errors
/// What `fetch` failed with, save an unsatisfiable range, which is answered here.
pub async fn object<Fetch, Fetching>(
    request: &HttpRequest,
    extras: Extras<'_>,
    fetch: Fetch,
) -> Result<HttpResponse, Fault>
where
    Fetch: Fn(Option<ByteRange>) -> Fetching + 'static,
    Fetching: Future<Output = Result<Fetched, Fault>> + 'static,
{
    let Fetched { meta, part, body } = fetch(range_of_first_fetch(request)).await?;
    let answer = Answer::new(request, &meta, extras);
    if let Some(response) = answer.to_preconditions() {
        return Ok(response);
    }
    if let Some(part) = part {
        return Ok(answer.part(part, Payload::of(body, Some(part.len()))?));
    }
    let Some(total) = meta.length.or(body.length()) else {
        return Ok(answer.whole(Payload::of(body, None)?));
    };
    let parts = match select_ranges(&answer.ranges(), total) {
        Selection::Whole => return Ok(answer.whole(Payload::of(body, Some(total))?)),
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
            Ok(answer.part(*one, Payload::of(body, Some(one.len()))?))
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

/// A single range can be read without knowing the object. Everything else needs its size or version first.
fn range_of_first_fetch(request: &HttpRequest) -> Option<ByteRange> {
    match range::asked(request).as_slice() {
        [one] if !request.headers().contains_key(IF_RANGE) => Some(*one),
        _ => None,
    }
}

/// The bytes of a part that was read after the metadata, if both are of one version.
fn same_version(version: &ObjectMeta, part: ContentRange, fetched: Fetched) -> Result<Body, Fault> {
    let same = fetched.part == Some(part)
        && fetched.meta.etag == version.etag
        && fetched.meta.last_modified == version.last_modified;
    if same { Ok(fetched.body) } else { Err(Fault::new(FaultKind::Upstream, "the object changed while it was read")) }
}

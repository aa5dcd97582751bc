use std::future::ready;

use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use mortar_actors::{Body, ByteRange, ContentRange, Fault, FaultKind};

use super::conditional::{date_header, etag_header, if_range_holds};
use super::header_rules::TOLD_AGAIN;
use super::multipart::Multipart;
use super::{Extras, Payload, Selection, Validators, Verdict, judge, range, select_ranges, vary_on};
use crate::error;

/// What can be served: a result or an object, as far as headers speak of it.
pub(crate) trait Describe {
    /// By what its versions are told apart.
    fn validators(&self) -> Validators<'_>;
    /// Its media type.
    fn content_type(&self) -> HeaderValue;
    /// Writes the headers that travel with it, save those that this module owns.
    fn write_headers(&self, headers: &mut HeaderMap);
}

/// Answers one request for one thing: the same rules for shared buffers and for streams.
pub(crate) struct Answer<'a, Thing> {
    request: &'a HttpRequest,
    thing: &'a Thing,
    extras: Extras<'a>,
}

impl<'a, Thing: Describe> Answer<'a, Thing> {
    pub(crate) fn new(request: &'a HttpRequest, thing: &'a Thing, extras: Extras<'a>) -> Self {
        Self { request, thing, extras }
    }

    /// The answer that the preconditions of the request call for, if they do.
    pub(crate) fn to_preconditions(&self) -> Option<HttpResponse> {
        match judge(self.request.method(), self.request.headers(), self.thing.validators()) {
            Verdict::Proceed => None,
            Verdict::NotModified => Some(self.not_modified()),
            Verdict::PreconditionFailed => Some(error::precondition_failed(self.request, self.extras)),
        }
    }

    /// The ranges to serve; none where the whole is to be sent.
    pub(crate) fn ranges(&self) -> Vec<ByteRange> {
        let asked = range::asked(self.request);
        if asked.is_empty() || if_range_holds(self.request.headers(), self.thing.validators()) {
            asked
        } else {
            Vec::new()
        }
    }

    /// What the ranges of the request come to on a body that is whole in memory. Nothing of its size is copied.
    pub(crate) fn buffered(&self, whole: &Bytes) -> HttpResponse {
        let total = whole.len() as u64;
        match select_ranges(&self.ranges(), total) {
            Selection::Whole => self.whole(Payload::whole(whole.clone())),
            Selection::One(part) => self.part(part, Payload::whole(slice(whole, part))),
            Selection::Several(parts) => {
                let whole = whole.clone();
                self.parts(&parts, move |part| ready(Ok(Body::Bytes(slice(&whole, part)))))
            }
            Selection::Unsatisfiable => self.unsatisfiable(total),
        }
    }

    /// 200 with everything.
    pub(crate) fn whole(&self, payload: Payload) -> HttpResponse {
        self.with_content(StatusCode::OK, self.thing.content_type(), payload)
    }

    /// 206 with one part; `payload` is only that part.
    pub(crate) fn part(&self, part: ContentRange, payload: Payload) -> HttpResponse {
        let mut response = self.with_content(StatusCode::PARTIAL_CONTENT, self.thing.content_type(), payload);
        response.headers_mut().insert(CONTENT_RANGE, content_range_header(part));
        response
    }

    /// 206 with several parts, fetched one after another.
    pub(crate) fn parts<Fetch, Fetching>(&self, parts: &[ContentRange], fetch: Fetch) -> HttpResponse
    where
        Fetch: Fn(ContentRange) -> Fetching + 'static,
        Fetching: Future<Output = Result<Body, Fault>> + 'static,
    {
        let multipart = Multipart::new(parts, &self.thing.content_type());
        let content_type = multipart.content_type();
        let payload = Payload::stream(Some(multipart.length()), multipart.into_chunks(fetch));
        self.with_content(StatusCode::PARTIAL_CONTENT, content_type, payload)
    }

    /// 416 for an object of `total` bytes.
    pub(crate) fn unsatisfiable(&self, total: u64) -> HttpResponse {
        let fault = Fault::new(FaultKind::RangeNotSatisfiable { total }, "the range lies outside the object");
        error::answer(self.request, &fault, self.extras)
    }

    fn not_modified(&self) -> HttpResponse {
        let mut response = HttpResponse::new(StatusCode::NOT_MODIFIED);
        self.thing.write_headers(response.headers_mut());
        response.headers_mut().retain(|name, _| TOLD_AGAIN.contains(name));
        self.write_common(StatusCode::NOT_MODIFIED, response.headers_mut());
        response
    }

    fn with_content(&self, status: StatusCode, content_type: HeaderValue, payload: Payload) -> HttpResponse {
        let payload = if self.request.method() == Method::HEAD { payload.without_body() } else { payload };
        let mut response = HttpResponse::with_body(status, payload.into_body());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        self.thing.write_headers(headers);
        self.write_common(status, headers);
        response
    }

    /// What 200, 206 and 304 have in common: validators, the bucket's headers and `Vary`.
    fn write_common(&self, status: StatusCode, headers: &mut HeaderMap) {
        let validators = self.thing.validators();
        if let Some(etag) = validators.etag.and_then(etag_header) {
            headers.insert(ETAG, etag);
        }
        if let Some(date) = validators.last_modified.and_then(date_header) {
            headers.insert(LAST_MODIFIED, date);
        }
        self.extras.write(status, headers);
    }
}

impl Extras<'_> {
    /// Writes the headers of the bucket and what the answer depended on.
    pub(crate) fn write(&self, status: StatusCode, headers: &mut HeaderMap) {
        for name in self.vary {
            vary_on(headers, name);
        }
        if let Some(defaults) = self.defaults {
            defaults.apply(status, headers);
        }
    }
}

fn slice(whole: &Bytes, part: ContentRange) -> Bytes {
    whole.slice(part.first as usize..=part.last as usize)
}

fn content_range_header(part: ContentRange) -> HeaderValue {
    let ContentRange { first, last, total } = part;
    let text = format!("bytes {first}-{last}/{total}");
    HeaderValue::try_from(text).expect("numbers and punctuation make a header value")
}

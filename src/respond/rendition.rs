use std::future::ready;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use mortar_actors::{Body, ContentRange, Fault, Rendition};

use super::answer::{Answer, Describe};
use super::{Extras, Payload, Selection, Validators, select_ranges};
use crate::error;

/// Width of the picture in pixels, as mort names it.
pub(crate) const WIDTH: HeaderName = HeaderName::from_static("x-amz-meta-public-width");
/// Height of the picture in pixels, as mort names it.
pub(crate) const HEIGHT: HeaderName = HeaderName::from_static("x-amz-meta-public-height");

/// Answers a GET or HEAD with a finished result: 200, 206, 304, 412 or 416.
///
/// The body is the rendition's own buffer, shared: nothing of its size is allocated or copied here.
pub fn rendition(request: &HttpRequest, rendition: &Rendition, extras: Extras<'_>) -> HttpResponse {
    let answer = Answer::new(request, rendition, extras);
    if let Some(response) = answer.to_preconditions() {
        return response;
    }
    let total = rendition.body.len() as u64;
    match select_ranges(&answer.ranges(), total) {
        Selection::Whole => answer.whole(Payload::whole(rendition.body.clone())),
        Selection::One(part) => answer.part(part, Payload::whole(slice(&rendition.body, part))),
        Selection::Several(parts) => {
            let whole = rendition.body.clone();
            answer.parts(&parts, move |part| ready(Ok(Body::Bytes(slice(&whole, part)))))
        }
        Selection::Unsatisfiable => answer.unsatisfiable(total),
    }
}

/// Answers a failed transform with the placeholder picture, under the status of the fault. The fault is logged here, so
/// the caller does not answer or log it as well.
pub fn placeholder(request: &HttpRequest, fault: &Fault, picture: &Rendition, extras: Extras<'_>) -> HttpResponse {
    let content_type = picture.content_type();
    error::answer_with(request, fault, extras, content_type, Payload::whole(picture.body.clone()))
}

impl Describe for Rendition {
    fn validators(&self) -> Validators<'_> {
        Validators { etag: Some(&self.etag), last_modified: Some(self.last_modified) }
    }

    fn content_type(&self) -> HeaderValue {
        media_type(&self.content_type)
    }

    fn write_headers(&self, headers: &mut HeaderMap) {
        for (name, side) in [(WIDTH, self.width), (HEIGHT, self.height)] {
            if let Some(side) = side {
                headers.insert(name, HeaderValue::from(side));
            }
        }
    }
}

/// A media type as a header; the common ones cost nothing.
pub(crate) fn media_type(text: &str) -> HeaderValue {
    const COMMON: [&str; 5] = ["image/jpeg", "image/webp", "image/png", "image/avif", "image/gif"];
    match COMMON.iter().find(|common| **common == text) {
        Some(common) => HeaderValue::from_static(common),
        None => HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("application/octet-stream")),
    }
}

fn slice(whole: &Bytes, part: ContentRange) -> Bytes {
    whole.slice(part.first as usize..=part.last as usize)
}

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use mortar_actors::{Fault, Rendition};

use super::answer::{Answer, Describe};
use super::{Extras, Payload, Validators};
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
    answer.to_preconditions().unwrap_or_else(|| answer.buffered(&rendition.body))
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use actix_web::body::{BodySize, MessageBody, to_bytes};
    use actix_web::http::header::{
        ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, IF_RANGE,
        LAST_MODIFIED, RANGE, VARY,
    };
    use actix_web::http::{Method, StatusCode};
    use actix_web::test::TestRequest;
    use bytes::Bytes;
    use mortar_actors::{EntityTag, FaultKind};

    use super::*;
    use crate::respond::DefaultHeaders;

    fn picture() -> Rendition {
        Rendition {
            body: Bytes::from(b"0123456789".to_vec()),
            content_type: "image/webp".to_owned(),
            etag: EntityTag::new("v1"),
            last_modified: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            width: Some(40),
            height: Some(30),
        }
    }

    fn answered(method: Method, headers: &[(HeaderName, &str)]) -> HttpResponse {
        let request = headers.iter().fold(TestRequest::default().method(method), |request, header| {
            request.insert_header((header.0.clone(), header.1))
        });
        rendition(&request.to_http_request(), &picture(), Extras::default())
    }

    fn get(headers: &[(HeaderName, &str)]) -> HttpResponse {
        answered(Method::GET, headers)
    }

    fn text(response: &HttpResponse, name: HeaderName) -> &str {
        response.headers().get(name).unwrap().to_str().unwrap()
    }

    /// Red when the answer is made of a copy: `Bytes::copy_from_slice` of the body in `rendition`.
    #[test]
    fn fault_09_the_answer_is_the_buffer_of_the_rendition() {
        let picture = picture();
        let request = TestRequest::get().to_http_request();
        let response = rendition(&request, &picture, Extras::default());
        let Ok(body) = response.into_body().try_into_bytes() else { panic!("not a buffer") };
        assert_eq!(body.as_ptr(), picture.body.as_ptr());
    }

    #[test]
    fn a_get_tells_everything_about_the_picture() {
        let response = get(&[]);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(&response, ETAG), "\"v1\"");
        assert_eq!(text(&response, LAST_MODIFIED), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(text(&response, CONTENT_TYPE), "image/webp");
        assert_eq!(text(&response, ACCEPT_RANGES), "bytes");
        assert_eq!((text(&response, WIDTH), text(&response, HEIGHT)), ("40", "30"));
        assert_eq!(response.body().size(), BodySize::Sized(10));
    }

    #[test]
    fn a_head_is_a_get_without_its_body_and_ignores_ranges() {
        let (get, head) = (get(&[]), answered(Method::HEAD, &[(RANGE, "bytes=0-1")]));
        assert_eq!(head.status(), StatusCode::OK);
        for (name, value) in get.headers() {
            assert_eq!(head.headers().get(name), Some(value));
        }
        assert_eq!(head.body().size(), BodySize::Sized(10));
        assert!(head.into_body().try_into_bytes().is_err());
    }

    #[test]
    fn a_known_version_is_a_304_that_keeps_what_caches_need() {
        let defaults = DefaultHeaders::new(&[("Cache-Control".to_owned(), "max-age=9".to_owned())]).unwrap();
        let extras = Extras { defaults: Some(&defaults), vary: &[ACCEPT] };
        let request = TestRequest::get().insert_header((IF_NONE_MATCH, "W/\"v1\"")).to_http_request();
        let response = rendition(&request, &picture(), extras);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(text(&response, ETAG), "\"v1\"");
        assert_eq!(text(&response, CACHE_CONTROL), "max-age=9");
        assert_eq!(text(&response, VARY), "accept");
        assert!(response.headers().contains_key(LAST_MODIFIED));
        assert!(!response.headers().contains_key(CONTENT_TYPE));
        assert!(response.body().size().is_eof());
        assert_eq!(answered(Method::HEAD, &[(IF_NONE_MATCH, "*")]).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn another_version_than_the_client_means_is_a_412() {
        let response = get(&[(IF_MATCH, "\"v2\"")]);
        assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
        assert_eq!(text(&response, CONTENT_TYPE), "application/json");
    }

    #[tokio::test]
    async fn one_range_is_a_slice_and_none_outside_a_416() {
        let response = get(&[(RANGE, "bytes=-3")]);
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(text(&response, CONTENT_RANGE), "bytes 7-9/10");
        assert_eq!(text(&response, CONTENT_TYPE), "image/webp");
        assert_eq!(to_bytes(response.into_body()).await.unwrap(), "789");

        let response = get(&[(RANGE, "bytes=10-")]);
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(text(&response, CONTENT_RANGE), "bytes */10");
    }

    #[tokio::test]
    async fn several_ranges_are_parts_of_one_body_of_known_length() {
        let response = get(&[(RANGE, "bytes=0-1,8-")]);
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert!(text(&response, CONTENT_TYPE).starts_with("multipart/byteranges; boundary="));
        let BodySize::Sized(length) = response.body().size() else { panic!("the length is not told") };
        let body = to_bytes(response.into_body()).await.unwrap();
        assert_eq!(body.len() as u64, length);
    }

    #[test]
    fn if_range_of_another_version_sends_the_whole() {
        assert_eq!(get(&[(RANGE, "bytes=0-1"), (IF_RANGE, "\"v2\"")]).status(), StatusCode::OK);
        assert_eq!(get(&[(RANGE, "bytes=0-1"), (IF_RANGE, "\"v1\"")]).status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(get(&[(RANGE, "lines=0-1")]).status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_placeholder_has_the_status_of_the_fault_and_the_picture_as_body() {
        let fault = Fault::new(FaultKind::Unprocessable, "not a picture");
        let request = TestRequest::get().to_http_request();
        let response = placeholder(&request, &fault, &picture(), Extras::default());
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(text(&response, CONTENT_TYPE), "image/webp");
        assert!(!response.headers().contains_key(ETAG));
        assert_eq!(to_bytes(response.into_body()).await.unwrap(), "0123456789");
    }
}

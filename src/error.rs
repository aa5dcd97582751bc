//! Faults on the wire: the one table from kinds to statuses and codes, the JSON body, and the one log line.

use std::error::Error;
use std::fmt;

use actix_web::http::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use bytes::Bytes;
use mortar_actors::{Fault, FaultKind};
use s3s::xml::{Serialize as _, Serializer};
use s3s::{S3Error, S3ErrorCode};
use serde::Serialize;

use crate::http::RequestId;
use crate::respond::{Extras, Payload};
use crate::s3::code_of;

/// What every resource can be asked for; told with a 405.
pub const ALLOWED_METHODS: &str = "GET, HEAD, OPTIONS";

/// Seconds after which a refused request may be sent again, where the fault does not say.
const DEFAULT_RETRY_SECONDS: u64 = 1;

/// The body of an error answer.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    code: &'static str,
    message: &'a str,
    request_id: &'a str,
}

/// The status and the stable code of each kind. Codes are part of the interface and never change.
pub fn status_and_code(kind: FaultKind) -> (StatusCode, &'static str) {
    match kind {
        FaultKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        FaultKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_request"),
        FaultKind::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
        FaultKind::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
        FaultKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        FaultKind::Unprocessable => (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable_image"),
        FaultKind::RangeNotSatisfiable { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable"),
        FaultKind::Unsupported => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        FaultKind::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        FaultKind::Restarting => (StatusCode::SERVICE_UNAVAILABLE, "restarting"),
        FaultKind::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "timed_out"),
        FaultKind::Upstream => (StatusCode::BAD_GATEWAY, "upstream_error"),
        FaultKind::Unwritable => (StatusCode::INSUFFICIENT_STORAGE, "insufficient_storage"),
        FaultKind::Archived => (StatusCode::SERVICE_UNAVAILABLE, "archived"),
        FaultKind::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
        // A kind that this table does not know yet is a fault of this program.
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// Says of a request that its client reads errors as S3 tells them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InXml;

/// Answers a request with a fault, and logs it: this is the boundary, so nobody else logs it.
pub fn answer(request: &HttpRequest, fault: &Fault, extras: Extras<'_>) -> HttpResponse {
    let id = RequestId::of(request);
    if reads_xml(request) {
        let body = xml_body(code_of(fault.kind()), fault.message(), &id);
        return answer_with(request, fault, extras, xml(), body);
    }
    let (_, code) = status_and_code(fault.kind());
    answer_with(request, fault, extras, json(), json_body(code, fault.message(), &id))
}

/// As [`answer`], with another body than the JSON one.
pub(crate) fn answer_with(
    request: &HttpRequest,
    fault: &Fault,
    extras: Extras<'_>,
    content_type: HeaderValue,
    payload: Payload,
) -> HttpResponse {
    let (status, _) = status_and_code(fault.kind());
    log(fault, &RequestId::of(request), request.method(), request.path());
    let mut response = plain(request.method(), status, content_type, payload);
    write_fault_headers(fault, response.headers_mut());
    extras.write(status, response.headers_mut());
    response
}

/// 412. It is no fault: the client asked to be told.
pub(crate) fn precondition_failed(request: &HttpRequest, extras: Extras<'_>) -> HttpResponse {
    const STATUS: StatusCode = StatusCode::PRECONDITION_FAILED;
    let message = "the object is not the version that the request asks for";
    let id = RequestId::of(request);
    let (media_type, body) = if reads_xml(request) {
        (xml(), xml_body(S3ErrorCode::PreconditionFailed, message, &id))
    } else {
        (json(), json_body("precondition_failed", message, &id))
    };
    let mut response = plain(request.method(), STATUS, media_type, body);
    extras.write(STATUS, response.headers_mut());
    response
}

/// 500 for a handler that panicked, whose request is gone. The panic itself was logged by the panic hook.
pub(crate) fn panicked(method: &Method, id: &RequestId) -> HttpResponse {
    let (status, code) = status_and_code(FaultKind::Panicked);
    plain(method, status, json(), json_body(code, "the request could not be completed", id))
}

fn plain(method: &Method, status: StatusCode, content_type: HeaderValue, payload: Payload) -> HttpResponse {
    let payload = if method == Method::HEAD { payload.without_body() } else { payload };
    let mut response = HttpResponse::with_body(status, payload.into_body());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn json() -> HeaderValue {
    HeaderValue::from_static("application/json")
}

fn json_body(code: &'static str, message: &str, id: &RequestId) -> Payload {
    let body = ErrorBody { error: Told { code, message, request_id: id.as_str() } };
    Payload::whole(Bytes::from(serde_json::to_vec(&body).expect("three texts are always JSON")))
}

/// Whether the client of a request is one of S3's.
pub(crate) fn reads_xml(request: &HttpRequest) -> bool {
    request.extensions().contains::<InXml>()
}

fn xml() -> HeaderValue {
    HeaderValue::from_static("application/xml")
}

fn xml_body(code: S3ErrorCode, message: &str, id: &RequestId) -> Payload {
    let mut error = S3Error::with_message(code, message.to_owned());
    error.set_request_id(id.as_str());
    let mut body = Vec::new();
    let mut writer = Serializer::new(&mut body);
    let written = writer.decl().and_then(|()| error.serialize(&mut writer));
    written.expect("writing to a buffer does not fail");
    Payload::whole(Bytes::from(body))
}

fn write_fault_headers(fault: &Fault, headers: &mut HeaderMap) {
    if let FaultKind::RangeNotSatisfiable { total } = fault.kind() {
        let range = HeaderValue::try_from(format!("bytes */{total}"));
        headers.insert(CONTENT_RANGE, range.expect("a number and punctuation make a header value"));
    }
    if fault.kind() == FaultKind::Unsupported {
        headers.insert(ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
    }
    if let Some(seconds) = retry_seconds(fault) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Whole seconds, rounded up, so that nobody comes back too early.
fn retry_seconds(fault: &Fault) -> Option<u64> {
    let refused = matches!(fault.kind(), FaultKind::Overloaded | FaultKind::Restarting);
    let told = fault.wait_before_retry().map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
    told.or(refused.then_some(DEFAULT_RETRY_SECONDS)).map(|seconds| seconds.max(1))
}

/// One line for one fault: errors of this program and of stores are seen, mistakes of clients only when asked for.
fn log(fault: &Fault, id: &RequestId, method: &Method, path: &str) {
    let (status, code) = status_and_code(fault.kind());
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request_id = id.as_str(),
                %method,
                path,
                status = status.as_u16(),
                code,
                error = %Chain(fault),
                "request failed"
            )
        };
    }
    match fault.kind() {
        FaultKind::Panicked | FaultKind::Internal => line!(error),
        FaultKind::Cancelled => line!(debug),
        _ if status.is_server_error() => line!(warn),
        _ => line!(debug),
    }
}

/// An error and what caused it, in one line. It is put together only when the line is written.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::body::{BodySize, MessageBody};
    use actix_web::test::TestRequest;
    use serde_json::{Value, json};

    use super::*;
    use crate::respond::DefaultHeaders;
    use crate::telemetry::captured::log_of;

    const ALL: [(FaultKind, u16, &str); 17] = [
        (FaultKind::NotFound, 404, "not_found"),
        (FaultKind::Invalid, 400, "invalid_request"),
        (FaultKind::Forbidden, 403, "forbidden"),
        (FaultKind::PreconditionFailed, 412, "precondition_failed"),
        (FaultKind::TooLarge, 413, "too_large"),
        (FaultKind::Unprocessable, 422, "unprocessable_image"),
        (FaultKind::RangeNotSatisfiable { total: 9 }, 416, "range_not_satisfiable"),
        (FaultKind::Unsupported, 405, "method_not_allowed"),
        (FaultKind::Overloaded, 503, "overloaded"),
        (FaultKind::Restarting, 503, "restarting"),
        (FaultKind::TimedOut, 504, "timed_out"),
        (FaultKind::Upstream, 502, "upstream_error"),
        (FaultKind::Unwritable, 507, "insufficient_storage"),
        (FaultKind::Archived, 503, "archived"),
        (FaultKind::Cancelled, 503, "cancelled"),
        (FaultKind::Panicked, 500, "internal"),
        (FaultKind::Internal, 500, "internal"),
    ];

    fn answered(fault: &Fault) -> HttpResponse {
        answer(&TestRequest::get().to_http_request(), fault, Extras::default())
    }

    fn body_of(response: HttpResponse) -> Value {
        let Ok(body) = response.into_body().try_into_bytes() else { panic!("an error body is one buffer") };
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn every_kind_has_its_status_its_code_and_a_json_body() {
        for (kind, status, code) in ALL {
            let response = answered(&Fault::new(kind, "told").caused_by("secret of /etc"));
            assert_eq!(response.status().as_u16(), status, "{kind:?}");
            assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/json");
            let body = body_of(response);
            let id = body["error"]["request_id"].as_str().unwrap();
            assert_eq!(body, json!({"error": {"code": code, "message": "told", "request_id": id}}));
        }
    }

    #[test]
    fn the_side_of_a_fault_agrees_with_its_status() {
        for (kind, status, _) in ALL {
            let is_client_error = kind.side() == mortar_actors::Side::Client && kind != FaultKind::Cancelled;
            assert_eq!(is_client_error, (400..500).contains(&status), "{kind:?}");
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_back_in_whole_seconds() {
        let overloaded = Fault::new(FaultKind::Overloaded, "full");
        for (fault, seconds) in [
            (overloaded.clone(), "1"),
            (overloaded.clone().retry_after(Duration::from_millis(2_001)), "3"),
            (overloaded.retry_after(Duration::ZERO), "1"),
            (Fault::new(FaultKind::Restarting, "soon"), "1"),
        ] {
            assert_eq!(answered(&fault).headers().get(RETRY_AFTER).unwrap(), seconds);
        }
        assert!(!answered(&Fault::new(FaultKind::NotFound, "none")).headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn a_416_tells_the_size_and_a_405_the_methods() {
        let range = answered(&Fault::new(FaultKind::RangeNotSatisfiable { total: 9 }, "outside"));
        assert_eq!(range.headers().get(CONTENT_RANGE).unwrap(), "bytes */9");
        let method = answered(&Fault::new(FaultKind::Unsupported, "read only"));
        assert_eq!(method.headers().get(ALLOW).unwrap(), ALLOWED_METHODS);
    }

    #[test]
    fn an_error_carries_the_headers_of_the_bucket_but_not_its_caching() {
        let values = [("X-Bucket", "b"), ("Cache-Control", "max-age=9")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let defaults = DefaultHeaders::new(&values).unwrap();
        let extras = Extras { defaults: Some(&defaults), ..Extras::default() };
        let fault = Fault::new(FaultKind::NotFound, "none");
        let response = answer(&TestRequest::get().to_http_request(), &fault, extras);
        assert_eq!(response.headers().get("x-bucket").unwrap(), "b");
        assert!(!response.headers().contains_key("cache-control"));
    }

    #[test]
    fn the_answer_to_a_failed_head_has_a_length_and_no_body() {
        let request = TestRequest::default().method(Method::HEAD).to_http_request();
        let response = answer(&request, &Fault::new(FaultKind::NotFound, "none"), Extras::default());
        assert!(matches!(response.body().size(), BodySize::Sized(1..)));
        assert!(response.into_body().try_into_bytes().is_err());
    }

    #[test]
    fn a_fault_is_logged_once_with_its_cause_and_at_the_level_of_its_side() {
        for (kind, level) in [
            (FaultKind::Internal, "ERROR"),
            (FaultKind::Upstream, "WARN"),
            (FaultKind::Overloaded, "WARN"),
            (FaultKind::Cancelled, "DEBUG"),
            (FaultKind::NotFound, "DEBUG"),
        ] {
            let lines = log_of(|| drop(answered(&Fault::new(kind, "told").caused_by("cause"))));
            let [line] = lines.as_slice() else { panic!("{} lines for {kind:?}", lines.len()) };
            assert_eq!((&line["level"], &line["error"]), (&json!(level), &json!("told: cause")), "{kind:?}");
            assert!(line["request_id"].is_string());
        }
    }

    #[test]
    fn causes_are_told_to_the_log_in_one_line() {
        let fault = Fault::new(FaultKind::Upstream, "the store failed").caused_by(std::io::Error::other("reset"));
        assert_eq!(Chain(&fault).to_string(), "the store failed: reset");
    }
}

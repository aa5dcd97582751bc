//! Between actix-web and the S3 library, which have different types for the same things.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use hyper::body::Body as _;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use mortar_actors::{Fault, FaultKind};
use s3s::dto::StreamingBlob;
use s3s::{Body, S3Result, s3_error};
use tokio::sync::mpsc;

use super::guard::names_object;
use super::upload::{Arriving, Pieces, Refusal, Upload, UploadLimits, Verdict};
use crate::http::RequestId;
use crate::respond::Payload;

/// Pieces of a body between the connection and whoever stores them.
const PIECES: usize = 4;

/// A request in the library's types. The body of an object does not go through the library: it travels beside it, as an
/// [`Upload`], since the library would gather each signed chunk in memory, however large.
///
/// Other bodies are read by the library, which knows no limits of time and hides why a body broke off: that is told to
/// `verdict`.
pub(super) fn request(
    from: &HttpRequest,
    pieces: Pieces,
    limits: UploadLimits,
    verdict: Verdict,
) -> S3Result<s3s::HttpRequest> {
    let method = hyper::Method::from_bytes(from.method().as_str().as_bytes());
    let mut to = s3s::HttpRequest::default();
    *to.method_mut() = method.map_err(|_| s3_error!(MethodNotAllowed))?;
    *to.uri_mut() = from.uri().to_string().parse().map_err(|_| s3_error!(InvalidURI))?;
    for (name, value) in from.headers() {
        let name = hyper::header::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = hyper::header::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            to.headers_mut().append(name, value);
        }
    }
    if carries_object(from) {
        to.extensions_mut().insert(Upload::new(pieces));
    } else if has_body(from) {
        let pieces = stream::try_unfold(Arriving::new(pieces, limits), |mut arriving| async move {
            Ok(arriving.next().await?.map(|piece| (piece, arriving)))
        });
        let pieces = pieces.map_err(move |refusal: Refusal| {
            verdict.tell(Err(refusal));
            refusal.to_fault()
        });
        *to.body_mut() = Body::from(StreamingBlob::wrap(pieces));
    }
    Ok(to)
}

/// Whether the body of a request is an object or a part of one.
pub(super) fn carries_object(request: &HttpRequest) -> bool {
    request.method() == actix_web::http::Method::PUT && names_object(request.path())
}

/// The library wants to know the length of a body, also where there is none.
fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let length = headers.get("content-length").is_some_and(|length| length.as_bytes() != b"0");
    length || headers.contains_key("transfer-encoding")
}

/// Hands the body of a request on until its end, or until nobody wants it any more.
pub(super) async fn pump(mut payload: web::Payload, pieces: mpsc::Sender<Result<Bytes, Refusal>>) {
    while let Some(piece) = payload.next().await {
        let broken = piece.is_err();
        if pieces.send(piece.map_err(|_| Refusal::Incomplete)).await.is_err() || broken {
            return;
        }
    }
}

/// The two ends of the way that a body takes through this process.
pub(super) fn pieces() -> (mpsc::Sender<Result<Bytes, Refusal>>, Pieces) {
    mpsc::channel(PIECES)
}

/// An answer in actix-web's types.
pub(super) fn response(request: &HttpRequest, from: s3s::HttpResponse) -> HttpResponse {
    let (parts, body) = from.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let length = body.size_hint().exact();
    let chunks = body.map_err(|cause| Fault::new(FaultKind::Internal, "the answer cannot be sent").caused_by(cause));
    let payload = Payload::stream(length, chunks.boxed_local());
    let payload = if request.method() == actix_web::http::Method::HEAD { payload.without_body() } else { payload };
    let mut to = HttpResponse::with_body(status, payload.into_body());
    for (name, value) in &parts.headers {
        // The length is the body's own.
        if matches!(*name, CONTENT_LENGTH | TRANSFER_ENCODING) {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            to.headers_mut().append(name, value);
        }
    }
    mark(request, &mut to);
    to
}

/// Puts on an answer what S3's clients look for when they report a problem.
pub(super) fn mark(request: &HttpRequest, response: &mut HttpResponse) {
    let id = RequestId::of(request).header();
    response.headers_mut().insert(HeaderName::from_static("x-amz-request-id"), id);
}

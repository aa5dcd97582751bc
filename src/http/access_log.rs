use std::borrow::Cow;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode, Uri};
use bytes::Bytes;

use super::RequestId;

/// The target of access lines; a filter can name it.
pub(crate) const TARGET: &str = "access";

/// Query parameters that hold a signature, a credential or a token.
const SECRET: [&str; 5] =
    ["X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "Signature", "AWSAccessKeyId"];

/// One line of the access log, begun when the request came in. Headers are not part of it.
pub(crate) struct AccessEntry {
    started: Instant,
    id: RequestId,
    method: Method,
    uri: Uri,
    client: Option<SocketAddr>,
}

impl AccessEntry {
    pub(crate) fn begin(request: &ServiceRequest, id: &RequestId) -> Self {
        Self {
            started: Instant::now(),
            id: id.clone(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            client: request.peer_addr(),
        }
    }

    /// Writes the line when `body` has been sent to its end or dropped before.
    pub(crate) fn end_with(self, status: StatusCode, body: BoxBody) -> BoxBody {
        BoxBody::new(WatchedBody { entry: self, status, body, sent: 0, failed: false })
    }
}

/// A body that counts what goes out.
struct WatchedBody {
    entry: AccessEntry,
    status: StatusCode,
    body: BoxBody,
    sent: u64,
    failed: bool,
}

impl WatchedBody {
    /// How the body ended: `whole`, `failed` by its source, or `left` by the client.
    fn ending(&self) -> &'static str {
        let expected = match self.body.size() {
            _ if self.entry.method == Method::HEAD => 0,
            BodySize::Sized(length) => length,
            BodySize::None | BodySize::Stream => self.sent,
        };
        match self.failed {
            true => "failed",
            false if self.sent < expected => "left",
            false => "whole",
        }
    }
}

impl MessageBody for WatchedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let polled = this.body.as_pin_mut().poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(chunk))) => this.sent += chunk.len() as u64,
            Poll::Ready(Some(Err(_))) => this.failed = true,
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        let AccessEntry { started, id, method, uri, client } = &self.entry;
        tracing::info!(
            target: TARGET,
            request_id = id.as_str(),
            client = client.map(|client| tracing::field::display(client.ip())),
            %method,
            path = %masked(uri.path_and_query().map_or("", |path| path.as_str())),
            status = self.status.as_u16(),
            bytes = self.sent,
            body = self.ending(),
            elapsed_us = started.elapsed().as_micros() as u64,
            "request"
        );
    }
}

/// The path and query with the values of secret parameters replaced.
fn masked(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?') else { return Cow::Borrowed(target) };
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(target);
    }
    let shown: Vec<Cow<'_, str>> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(pair) => Cow::Owned(format!("{name}=***")),
            _ => Cow::Borrowed(pair),
        })
        .collect();
    Cow::Owned(format!("{path}?{}", shown.join("&")))
}

/// Names are compared decoded and in any case, as whoever reads the parameter may compare them.
fn is_secret(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or(pair);
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{AUTHORIZATION, COOKIE};
    use actix_web::test::TestRequest;
    use serde_json::Value;

    use super::*;
    use crate::telemetry::captured::log_of;

    /// The line of a request whose answer of four bytes was read `times` times and then dropped.
    fn line(method: Method, times: usize) -> Value {
        let request = TestRequest::with_uri("/b/k?X-Amz-Signature=hidden")
            .method(method)
            .insert_header((AUTHORIZATION, "hidden"))
            .insert_header((COOKIE, "hidden"))
            .to_srv_request();
        let id = RequestId::take_over_or_make(request.headers());
        let mut lines = log_of(|| {
            let mut body = AccessEntry::begin(&request, &id).end_with(StatusCode::OK, BoxBody::new("four"));
            let mut context = Context::from_waker(std::task::Waker::noop());
            for _ in 0..times {
                assert!(body.as_pin_mut().poll_next(&mut context).is_ready());
            }
        });
        assert_eq!(lines.len(), 1);
        lines.remove(0)
    }

    #[test]
    fn one_line_tells_how_the_answer_ended() {
        let whole = line(Method::GET, 1);
        for (name, value) in
            [("method", "GET"), ("path", "/b/k?X-Amz-Signature=***"), ("body", "whole"), ("target", TARGET)]
        {
            assert_eq!(whole[name], value);
        }
        assert_eq!((whole["status"].as_u64(), whole["bytes"].as_u64()), (Some(200), Some(4)));
        assert_eq!(line(Method::GET, 0)["body"], "left");
        assert_eq!(line(Method::HEAD, 0)["body"], "whole");
    }

    #[test]
    fn no_header_or_secret_is_logged() {
        assert!(!line(Method::GET, 1).to_string().contains("hidden"));
    }

    #[test]
    fn secrets_in_the_query_are_masked_in_any_spelling() {
        for (target, shown) in [
            ("/b/k?width=5&X-Amz-Signature=abc&x=1", "/b/k?width=5&X-Amz-Signature=***&x=1"),
            ("/b?x-amz-credential=AK/2/3", "/b?x-amz-credential=***"),
            ("/b?X%2DAmz-Security-Token=t", "/b?X%2DAmz-Security-Token=***"),
            ("/b?Signature=s&AWSAccessKeyId=i", "/b?Signature=***&AWSAccessKeyId=***"),
        ] {
            assert_eq!(masked(target), shown);
        }
    }

    #[test]
    fn anything_else_is_shown_as_it_came() {
        for target in ["/bucket/key", "/b/k?width=5&signature_of=x", "/b?"] {
            assert_eq!(masked(target), target);
        }
    }
}

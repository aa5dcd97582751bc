//! One request of rusoto's: signed, sent, sent again where that is safe, and its answer handed back.

mod request;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, TryStreamExt, stream};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use mortar_actors::{Body, ByteStream, Fault, FaultKind};
use rusoto_core::request::{DispatchSignedRequest, DispatchSignedRequestFuture, HttpDispatchError, HttpResponse};
use rusoto_core::signature::SignedRequest;
use xml::EventReader;

use super::endpoint::Endpoint;
use super::refusal::Refusal;
use crate::adapters::http_client::chunks;

/// Bytes read of an answer that is no object: an error, or a page of a listing.
const MAX_TEXT_BYTES: u64 = 16 * 1024 * 1024;

/// The longest wait between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// Headers of answers that rusoto gets to see. It panics at malformed values of some others, which nobody needs.
const KNOWN_HEADERS: [&str; 10] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "expires",
    "last-modified",
];

/// How a request is to be made.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    /// Whether the answer's body is handed on as it comes, rather than read here.
    streams: bool,
    /// Whether the request may be sent again when it is not known what became of it.
    repeatable: bool,
    /// What is sent as the body. Rusoto is told only its length.
    payload: Vec<Bytes>,
    /// A header that rusoto has no word for.
    condition: Option<(HeaderName, HeaderValue)>,
}

/// The sender of one request, in place of rusoto's own.
pub(super) struct Exchange {
    endpoint: Arc<Endpoint>,
    manner: Manner,
    told: Told,
}

/// Where an exchange leaves its fault: what travels through rusoto is a text.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Option<Fault>>>);

impl Manner {
    /// For what may be sent again and has a short answer.
    pub(super) fn repeatable() -> Self {
        Self { repeatable: true, ..Self::default() }
    }

    /// For an object that is read.
    pub(super) fn streaming() -> Self {
        Self { streams: true, ..Self::repeatable() }
    }

    /// For what must not be done twice.
    pub(super) fn once() -> Self {
        Self::default()
    }

    /// With a body, all of which is here.
    pub(super) fn carrying(self, payload: Vec<Bytes>) -> Self {
        Self { payload, ..self }
    }

    /// With a condition. Whether one that was lost has been met cannot be told, so it is sent once.
    pub(super) fn on_condition(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { condition: Some((name, value)), repeatable: false, ..self }
    }
}

impl Told {
    /// What the exchange failed with.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Exchange {
    pub(super) fn new(endpoint: Arc<Endpoint>, manner: Manner) -> Self {
        Self { endpoint, manner, told: Told::default() }
    }

    /// Where to look when the request fails.
    pub(super) fn told(&self) -> Told {
        self.told.clone()
    }
}

impl DispatchSignedRequest for Exchange {
    fn dispatch(&self, request: SignedRequest, _timeout: Option<Duration>) -> DispatchSignedRequestFuture {
        let (endpoint, manner, told) = (Arc::clone(&self.endpoint), self.manner.clone(), self.told.clone());
        async move {
            attempts(&endpoint, request, &manner).await.map_err(|fault| {
                let text = HttpDispatchError::new(fault.message().to_owned());
                *told.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
                text
            })
        }
        .boxed()
    }
}

/// Sends the request until it is answered, or refused for good, or was sent often enough.
async fn attempts(endpoint: &Endpoint, mut request: SignedRequest, manner: &Manner) -> Result<HttpResponse, Fault> {
    endpoint.place(&mut request);
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|error| Fault::new(FaultKind::Internal, "the request has no method").caused_by(error))?;
    let payload = request::payload(&request, manner);
    let mut backoff = endpoint.patience.backoff;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let failed = match once(endpoint, &mut request, &method, &payload, manner).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let again = failed.is_stale && attempt == 1 || failed.is_passing && manner.repeatable;
        if !again || attempt >= endpoint.patience.attempts {
            return Err(failed.fault);
        }
        let wait = failed.fault.wait_before_retry().unwrap_or_default().max(backoff.mul_f64(rand::random()));
        if wait > LONGEST_BACKOFF {
            return Err(failed.fault);
        }
        tracing::debug!(attempt, error = %failed.fault, "an S3 request is sent again");
        tokio::time::sleep(wait).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

async fn once(
    endpoint: &Endpoint,
    request: &mut SignedRequest,
    method: &Method,
    payload: &[Bytes],
    manner: &Manner,
) -> Result<HttpResponse, Refusal> {
    let credentials = endpoint.credentials.current().await.map_err(for_good)?;
    match &credentials {
        Some(credentials) => request.sign(credentials),
        None => request.complement(),
    }
    let (request, progress) =
        request::to_send(request, method, payload, manner.condition.as_ref()).map_err(for_good)?;
    let idle = progress.idle_for(endpoint.patience.first_byte);
    let answer = endpoint.client.exchange(request, idle).await.map_err(lost)?;
    let outcome = read(answer, method, endpoint.patience.idle_body, manner.streams).await;
    if let (Err(Refusal { is_stale: true, .. }), Some(credentials)) = (&outcome, &credentials) {
        endpoint.credentials.forget(credentials);
    }
    outcome
}

/// Hands an answer on, or reads why it is none.
async fn read(
    answer: Response<Incoming>,
    method: &Method,
    idle_body: Duration,
    streams: bool,
) -> Result<HttpResponse, Refusal> {
    let (head, body) = answer.into_parts();
    if !head.status.is_success() {
        let text = Body::Stream(chunks(body, MAX_TEXT_BYTES, idle_body)).collect(MAX_TEXT_BYTES).await;
        let text = text.unwrap_or_default();
        return Err(Refusal::read(method, head.status, &head.headers, &String::from_utf8_lossy(&text)));
    }
    let body = if streams {
        chunks(body, u64::MAX, idle_body)
    } else {
        let text = Body::Stream(chunks(body, MAX_TEXT_BYTES, idle_body)).collect(MAX_TEXT_BYTES).await;
        let text = text.map_err(lost)?;
        if !is_whole(&text) {
            return Err(lost(Fault::new(FaultKind::Upstream, "the store's answer cannot be understood")));
        }
        ByteStream::new(Some(text.len() as u64), stream::once(async { Ok(text) }))
    };
    Ok(HttpResponse {
        status: rusoto_status(head.status),
        headers: head.headers.iter().filter_map(rusoto_header).collect(),
        body: rusoto_core::ByteStream::new(body.into_chunks().map_err(io::Error::other)),
    })
}

/// Whether an answer's text is nothing, or an XML document to its end. In one that is broken or cut short, rusoto would
/// look for the end for ever.
fn is_whole(text: &[u8]) -> bool {
    text.is_empty() || EventReader::new(text).into_iter().all(|event| event.is_ok())
}

fn rusoto_status(status: StatusCode) -> http02::StatusCode {
    http02::StatusCode::from_u16(status.as_u16()).unwrap_or_default()
}

/// A header in the words of rusoto's older library. One that is unknown or no text is left out.
fn rusoto_header((name, value): (&HeaderName, &HeaderValue)) -> Option<(http02::header::HeaderName, String)> {
    let is_known = KNOWN_HEADERS.contains(&name.as_str()) || name.as_str().starts_with(super::meta::USER_PREFIX);
    let name = http02::header::HeaderName::from_bytes(name.as_str().as_bytes()).ok().filter(|_| is_known)?;
    Some((name, value.to_str().ok()?.to_owned()))
}

/// Nothing came back: the request was lost, or the answer.
fn lost(fault: Fault) -> Refusal {
    Refusal { is_passing: matches!(fault.kind(), FaultKind::Upstream | FaultKind::TimedOut), is_stale: false, fault }
}

fn for_good(fault: Fault) -> Refusal {
    Refusal { is_passing: false, is_stale: false, fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_documents_are_handed_to_rusoto() {
        for whole in ["", "<a/>", "<?xml version=\"1.0\"?><a><b>1</b></a>\n"] {
            assert!(is_whole(whole.as_bytes()), "{whole}");
        }
        for broken in ["<a>", "<a><b></a>", "text", "<a></a><b>", "<?xml version=\"1.0\"?>", "<a>\u{1}</a>"] {
            assert!(!is_whole(broken.as_bytes()), "{broken}");
        }
    }
}

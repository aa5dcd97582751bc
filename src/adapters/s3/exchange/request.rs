//! From rusoto's signed request to one that hyper sends.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use mortar_actors::{Fault, FaultKind};
use rusoto_core::signature::{SignedRequest, SignedRequestPayload};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Manner;
use crate::adapters::http_client::{AGENT, RequestBody};

/// Bytes of a body that are handed to the connection at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// When the peer last took something of the body.
pub(super) struct Progress(watch::Sender<Instant>);

impl Progress {
    /// Resolves when the peer has taken nothing for so long.
    pub(super) async fn idle_for(self, patience: Duration) {
        let taken = self.0.subscribe();
        self.0.send_replace(Instant::now());
        loop {
            let end = *taken.borrow() + patience;
            tokio::time::sleep_until(end).await;
            if *taken.borrow() + patience <= end {
                return;
            }
        }
    }
}

/// What the request carries: the manner's own payload, or the short text that rusoto has made.
pub(super) fn payload(request: &SignedRequest, manner: &Manner) -> Vec<Bytes> {
    match &request.payload {
        Some(SignedRequestPayload::Buffer(text)) => vec![text.clone()],
        _ => manner.payload.clone(),
    }
}

/// The request with its body, and how far that has got. The target is sent exactly as it was signed.
pub(super) fn to_send(
    signed: &SignedRequest,
    method: &Method,
    payload: &[Bytes],
    condition: Option<&(HeaderName, HeaderValue)>,
) -> Result<(Request<RequestBody>, Progress), Fault> {
    let query = signed.canonical_query_string();
    let mark = if query.is_empty() { "" } else { "?" };
    let target = format!("{}://{}{}{mark}{query}", signed.scheme(), signed.hostname(), signed.canonical_uri());
    let (sender, _) = watch::channel(Instant::now());
    let taken = sender.clone();
    let pieces: Vec<Bytes> = payload.iter().flat_map(pieces).collect();
    let chunks = stream::iter(pieces).map(move |chunk| {
        taken.send_replace(Instant::now());
        Ok::<_, Fault>(Frame::data(chunk))
    });
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .body(StreamBody::new(chunks).boxed_unsync())
        .map_err(unsendable)?;
    let headers = request.headers_mut();
    for (name, values) in &signed.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(unsendable)?;
        for value in values {
            headers.append(&name, HeaderValue::from_bytes(value).map_err(unsendable)?);
        }
    }
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some((name, value)) = condition {
        headers.insert(name, value.clone());
    }
    Ok((request, Progress(sender)))
}

/// Progress is seen at the pace of these.
fn pieces(chunk: &Bytes) -> impl Iterator<Item = Bytes> {
    chunk.chunks(PIECE_BYTES).map(|piece| chunk.slice_ref(piece))
}

fn unsendable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::new(FaultKind::Invalid, "the store cannot be asked for an object of that name or metadata").caused_by(error)
}

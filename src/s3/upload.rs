//! Objects on their way in: the body passes from the connection to the store in pieces, and is compared with everything
//! that its request says of it. A store shows an object only after its body has ended well, so a body that is refused,
//! even at its last byte, leaves nothing behind.

mod arriving;
mod chain;
mod chunked;
mod proof;
mod refusal;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use mortar_actors::{Body, ByteStream, Fault};
use s3s::dto::Checksum;
use s3s::{S3Error, S3Result, s3_error};
use tokio::sync::mpsc;

use self::chain::SignatureChain;
use self::chunked::Chunked;
use self::proof::Proof;
use super::claim::Claim;

pub(super) use self::arriving::Arriving;
pub(super) use self::chain::{decode_hex, hex};
pub(super) use self::refusal::Refusal;

/// Pieces of a body as the connection brings them.
pub(super) type Pieces = mpsc::Receiver<Result<Bytes, Refusal>>;

/// What uploads may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct UploadLimits {
    /// Most bytes of one body.
    pub(super) bytes: u64,
    /// How long it may take in all.
    pub(super) timeout: Duration,
    /// How long its client may pause.
    pub(super) idle: Duration,
    /// Bytes that its client has to send for each second it is waited for, once that is longer than a pause may be.
    pub(super) min_rate: u64,
}

/// The body of a request, until somebody wants it. It travels with the head of the request.
#[derive(Clone)]
pub(super) struct Upload(Arc<Mutex<Option<Pieces>>>);

/// A body that is being received, and what will be known of it.
pub(super) struct Received {
    /// To be stored.
    pub(super) body: Body,
    /// The number of its bytes.
    pub(super) length: u64,
    /// To be asked when it has been stored, or has not.
    pub(super) verdict: Verdict,
}

/// What became of a body.
#[derive(Clone, Default)]
pub(super) struct Verdict(Arc<OnceLock<Result<Checksum, Refusal>>>);

impl Upload {
    pub(super) fn new(pieces: Pieces) -> Self {
        Self(Arc::new(Mutex::new(Some(pieces))))
    }

    fn take(&self) -> Option<Pieces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Begins to receive the body that `headers` describe. `secret` is the signer's, whose signature is verified.
    ///
    /// # Errors
    /// `MissingContentLength`, `EntityTooLarge`, `InvalidDigest`, and `InvalidRequest` for what contradicts itself. A body
    /// without content is judged at once.
    pub(super) async fn receive(
        &self,
        claim: Option<&Claim>,
        headers: &HeaderMap,
        secret: &str,
        limits: UploadLimits,
    ) -> S3Result<Received> {
        let framing = Framing::of(headers);
        let length = framing.content_length(headers)?;
        if length > limits.bytes {
            return Err(s3_error!(EntityTooLarge, "the object is larger than {} bytes", limits.bytes));
        }
        let proof = Proof::new(headers, length)?;
        let chunked = framing.decoder(claim, headers, secret)?;
        let pieces = self.take().ok_or_else(|| s3_error!(InternalError, "the body has been read already"))?;
        let verdict = Verdict::default();
        let reading = Reading { arriving: Arriving::new(pieces, limits), input: Bytes::new(), chunked };
        if proof.is_complete() {
            // Nobody reads a body without content.
            verdict.tell(Ok(conclude(reading, proof).await.map_err(Refusal::to_error)?));
            return Ok(Received { body: Body::Empty, length, verdict });
        }
        let body = Body::Stream(ByteStream::new(Some(length), checked(reading, proof, verdict.clone())));
        Ok(Received { body, length, verdict })
    }
}

impl Verdict {
    /// Is told once: a body has one end.
    pub(super) fn tell(&self, outcome: Result<Checksum, Refusal>) {
        drop(self.0.set(outcome));
    }

    /// Why the body was refused, or else what the store's failure means.
    pub(super) fn error_or(&self, otherwise: impl FnOnce() -> S3Error) -> S3Error {
        self.refusal().map_or_else(otherwise, Refusal::to_error)
    }

    /// Why the body was refused, if it was.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.0.get().and_then(|outcome| outcome.as_ref().err().copied())
    }

    /// The checksums of a body that has ended well.
    pub(super) fn checksum(&self) -> Checksum {
        self.0.get().and_then(|outcome| outcome.clone().ok()).unwrap_or_default()
    }
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Plain,
    Chunked { signed: bool, trailer: bool },
}

impl Framing {
    fn of(headers: &HeaderMap) -> Self {
        let named = headers.get("x-amz-content-sha256").map(|value| value.as_bytes());
        match named {
            Some(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD") => Self::Chunked { signed: true, trailer: false },
            Some(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") => Self::Chunked { signed: true, trailer: true },
            Some(b"STREAMING-UNSIGNED-PAYLOAD-TRAILER") => Self::Chunked { signed: false, trailer: true },
            _ => Self::Plain,
        }
    }

    /// The length of the content without frames.
    fn content_length(self, headers: &HeaderMap) -> S3Result<u64> {
        let length = match self {
            Self::Plain => headers.get(CONTENT_LENGTH),
            Self::Chunked { .. } => headers.get("x-amz-decoded-content-length"),
        };
        let length = length.ok_or_else(|| s3_error!(MissingContentLength))?;
        let length = length.to_str().ok().and_then(|text| text.parse().ok());
        length.ok_or_else(|| s3_error!(InvalidRequest, "the length of the body is not a number"))
    }

    fn decoder(self, claim: Option<&Claim>, headers: &HeaderMap, secret: &str) -> S3Result<Option<Chunked>> {
        let Self::Chunked { signed, trailer } = self else { return Ok(None) };
        let date = headers.get("x-amz-date").and_then(|value| value.to_str().ok());
        let chain = match (signed, claim, date) {
            (false, ..) => None,
            (true, Some(claim), Some(date)) => Some(SignatureChain::new(secret, claim, date)),
            (true, ..) => return Err(s3_error!(AccessDenied, "signed chunks belong to a signature of version 4")),
        };
        Ok(Some(Chunked::new(chain, trailer)))
    }
}

/// A body being read: frames off.
struct Reading {
    arriving: Arriving,
    input: Bytes,
    chunked: Option<Chunked>,
}

impl Reading {
    /// The next piece of content; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            if let Some(content) = self.take_content()? {
                return Ok(Some(content));
            }
            let Some(piece) = self.arriving.next().await? else { return Ok(None) };
            self.input = piece;
        }
    }

    fn take_content(&mut self) -> Result<Option<Bytes>, Refusal> {
        match &mut self.chunked {
            Some(chunked) => chunked.decode(&mut self.input),
            None if self.input.is_empty() => Ok(None),
            None => Ok(Some(std::mem::take(&mut self.input))),
        }
    }

    /// The next piece of content, which must come.
    async fn content(&mut self, proof: &mut Proof) -> Result<Bytes, Refusal> {
        let content = self.next().await?.ok_or(Refusal::Incomplete)?;
        proof.update(&content)?;
        Ok(content)
    }

    /// The headers behind the body.
    fn finish(self) -> Result<Vec<(String, String)>, Refusal> {
        self.chunked.map_or_else(|| Ok(Vec::new()), Chunked::finish)
    }
}

/// The content, piece by piece. It ends in a fault unless everything proves right, which is told to `verdict` too.
///
/// The last piece is held back until then: a client of a store may stop reading when it has all the bytes it expects.
fn checked(
    reading: Reading,
    proof: Proof,
    verdict: Verdict,
) -> impl futures::Stream<Item = Result<Bytes, Fault>> + Send {
    stream::unfold(Some((reading, proof, verdict)), |state| async move {
        let (mut reading, mut proof, verdict) = state?;
        let refusal = match reading.content(&mut proof).await {
            Ok(content) if !proof.is_complete() => return Some((Ok(content), Some((reading, proof, verdict)))),
            Ok(content) => match conclude(reading, proof).await {
                Ok(checksum) => {
                    verdict.tell(Ok(checksum));
                    return Some((Ok(content), None));
                }
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        verdict.tell(Err(refusal));
        Some((Err(refusal.to_fault()), None))
    })
}

/// Reads on to the end of a body whose content is complete, and compares it with what was said of it.
async fn conclude(mut reading: Reading, proof: Proof) -> Result<Checksum, Refusal> {
    if reading.next().await?.is_some() {
        return Err(Refusal::TooLong);
    }
    let trailer = reading.finish()?;
    proof.finish(&trailer)
}

#[cfg(test)]
mod tests;

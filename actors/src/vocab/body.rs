use std::fmt;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt, TryStreamExt};

use crate::fault::{Fault, FaultKind};

/// The one body type: nothing, a shared buffer, or a stream that owns its source.
///
/// A buffer is shared and never copied per reader. A stream is never drained to be closed: dropping it closes its
/// source.
pub enum Body {
    /// No body at all, as in the answer to HEAD.
    Empty,
    /// The whole body in one shared buffer.
    Bytes(Bytes),
    /// A body that passes through in the chunks its source makes.
    Stream(ByteStream),
}

/// Chunks of a body together with what is known of its length.
pub struct ByteStream {
    length: Option<u64>,
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>,
    at_once: Option<AtOnce>,
}

/// Reads a whole body in one step.
type AtOnce = Box<dyn FnOnce() -> BoxFuture<'static, Result<Bytes, Fault>> + Send>;

impl ByteStream {
    /// Wraps a stream of chunks. `length` is the number of bytes to come, where the source told it.
    pub fn new(length: Option<u64>, chunks: impl Stream<Item = Result<Bytes, Fault>> + Send + 'static) -> Self {
        Self { length, chunks: Box::pin(chunks), at_once: None }
    }

    /// Adds another way to read the whole body, in one step, for whoever collects it.
    #[must_use]
    pub fn or_at_once(self, read: impl FnOnce() -> BoxFuture<'static, Result<Bytes, Fault>> + Send + 'static) -> Self {
        Self { at_once: Some(Box::new(read)), ..self }
    }

    /// The number of bytes to come, where the source told it.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The chunks, to be read once.
    pub fn into_chunks(self) -> Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>> {
        self.chunks
    }
}

impl Body {
    /// The number of bytes, where it is known before reading.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Stream(stream) => stream.length,
        }
    }

    /// Reads the whole body into one buffer.
    ///
    /// # Errors
    /// [`FaultKind::TooLarge`] as soon as more than `limit` bytes are announced or read; [`FaultKind::Upstream`] when
    /// fewer bytes come than were announced; whatever the source failed with.
    pub async fn collect(self, limit: u64) -> Result<Bytes, Fault> {
        let too_large = || Fault::new(FaultKind::TooLarge, format!("the body is larger than {limit} bytes"));
        if self.length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let stream = match self {
            Self::Empty => return Ok(Bytes::new()),
            Self::Bytes(bytes) => return Ok(bytes),
            Self::Stream(stream) => stream,
        };
        let announced = stream.length;
        let whole = match stream.at_once {
            Some(read) if announced.is_some() => read().await?,
            _ => join(stream.chunks, announced, limit).await?.ok_or_else(too_large)?,
        };
        match announced {
            Some(length) if length != whole.len() as u64 => {
                Err(Fault::new(FaultKind::Upstream, format!("the body ended after {} of {length} bytes", whole.len())))
            }
            _ => Ok(whole),
        }
    }

    /// Keeps `guard` alive until the body has been read to its end or dropped, so that streaming counts as work.
    #[must_use]
    pub fn holding(self, guard: impl Send + 'static) -> Self {
        match self {
            Self::Stream(ByteStream { length, chunks, .. }) => {
                let guarded = chunks.map(move |chunk| {
                    let _alive = &guard;
                    chunk
                });
                Self::Stream(ByteStream::new(length, guarded))
            }
            whole => whole,
        }
    }
}

/// The chunks, one after the other; `None` when they are more than `limit` bytes.
async fn join(
    mut chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>,
    announced: Option<u64>,
    limit: u64,
) -> Result<Option<Bytes>, Fault> {
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(0).min(limit) as usize);
    while let Some(chunk) = chunks.try_next().await? {
        if whole.len() as u64 + chunk.len() as u64 > limit {
            return Ok(None);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(Some(whole.freeze()))
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Body::Empty"),
            Self::Bytes(bytes) => write!(f, "Body::Bytes({} bytes)", bytes.len()),
            Self::Stream(stream) => write!(f, "Body::Stream({:?} bytes)", stream.length),
        }
    }
}

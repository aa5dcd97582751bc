use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use futures::Stream;
use mortar_actors::{Body, Fault, FaultKind};

/// Bytes handed to the connection at a time.
///
/// actix copies every chunk into its write buffer, so a chunk is what one connection may copy of a shared body. The
/// number is just below the size (128 KiB, headers included) up to which actix keeps that buffer for the next answer.
///
/// # Hidden contract
/// The server must set TCP_NODELAY (`HttpServer::tcp_nodelay(true)`). Without it the last chunk of a body waits for the
/// client's delayed acknowledgement of the one before: 40 ms for every body of more than one chunk.
const CHUNK_BYTES: usize = 120 * 1024;

/// Chunks of a body, read on the connection's own thread.
pub(crate) type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>>>>;

/// The one body that answers are sent with: a shared buffer, a stream, or only the length of either.
///
/// A stream that fails, or brings more or fewer bytes than announced, fails the payload, whereupon actix closes the
/// connection: the client never takes a broken body for a whole one. Dropping the payload closes its source.
pub(crate) struct Payload {
    size: BodySize,
    /// What is still to come in all, where that is known.
    remaining: Option<u64>,
    /// The part of a buffer or chunk that has not been handed over.
    waiting: Bytes,
    source: Option<Chunks>,
}

impl Payload {
    /// A body in one shared buffer.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        Self { size: BodySize::Sized(length), remaining: Some(length), waiting: bytes, source: None }
    }

    /// A body that passes through. Without a length it is sent chunked.
    pub(crate) fn stream(length: Option<u64>, source: Chunks) -> Self {
        let size = length.map_or(BodySize::Stream, BodySize::Sized);
        Self { size, remaining: length, waiting: Bytes::new(), source: Some(source) }
    }

    /// Any body. `length` is what the metadata promise; a body that knows its own length must agree.
    ///
    /// # Errors
    /// `Upstream` when both lengths are known and differ.
    pub(crate) fn of(body: Body, length: Option<u64>) -> Result<Self, Fault> {
        let own = body.length();
        if let (Some(own), Some(promised)) = (own, length)
            && own != promised
        {
            return Err(broken_length());
        }
        Ok(match body {
            Body::Empty => Self::whole(Bytes::new()),
            Body::Bytes(bytes) => Self::whole(bytes),
            Body::Stream(stream) => Self::stream(own.or(length), stream.into_chunks()),
        })
    }

    /// The length of a body that is not there, where it is known.
    pub(crate) fn length_only(length: Option<u64>) -> Self {
        Self { size: length.map_or(BodySize::None, BodySize::Sized), ..Self::whole(Bytes::new()) }
    }

    /// The answer to HEAD: tells the length, sends nothing, and lets go of the source at once.
    #[must_use]
    pub(crate) fn without_body(self) -> Self {
        Self { size: self.size, ..Self::whole(Bytes::new()) }
    }

    /// The payload once its first chunk is there, so that a source that breaks off before it can still be told by a status.
    ///
    /// # Errors
    /// What the source failed with; `Upstream` when it ended too early.
    pub(crate) async fn begun(mut self) -> Result<Self, Fault> {
        poll_fn(|context| self.poll_waiting(context)).await?;
        Ok(self)
    }

    /// The payload as the body of a response; a small buffer costs no allocation.
    pub(crate) fn into_body(self) -> BoxBody {
        BoxBody::new(self)
    }

    fn take_waiting(&mut self) -> Bytes {
        self.waiting.split_to(self.waiting.len().min(CHUNK_BYTES))
    }

    /// Ready when something waits to be sent, or nothing comes any more.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        // An empty chunk would end a chunked answer early, so it is never handed over.
        while self.waiting.is_empty() {
            let Some(source) = &mut self.source else { break };
            let outcome = match ready!(source.as_mut().poll_next(context)) {
                Some(Ok(chunk)) => self.accept(chunk),
                Some(Err(fault)) => Err(fault),
                None if self.remaining.is_some_and(|remaining| remaining > 0) => Err(broken_length()),
                None => {
                    self.source = None;
                    Ok(())
                }
            };
            if let Err(fault) = outcome {
                self.source = None;
                return Poll::Ready(Err(fault));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Books an arriving chunk against the announced length.
    fn accept(&mut self, chunk: Bytes) -> Result<(), Fault> {
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.checked_sub(chunk.len() as u64).ok_or_else(broken_length)?;
        }
        self.waiting = chunk;
        Ok(())
    }
}

impl MessageBody for Payload {
    type Error = Fault;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        let this = self.get_mut();
        Poll::Ready(match ready!(this.poll_waiting(context)) {
            Ok(()) if this.waiting.is_empty() => None,
            Ok(()) => Some(Ok(this.take_waiting())),
            Err(fault) => Some(Err(fault)),
        })
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let complete = self.source.is_none() && self.size == BodySize::Sized(self.waiting.len() as u64);
        if complete && self.waiting.len() <= CHUNK_BYTES { Ok(self.waiting) } else { Err(self) }
    }
}

/// A payload inside another body, as the stream of its chunks.
pub(crate) struct PayloadChunks(pub(crate) Payload);

impl Stream for PayloadChunks {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(context)
    }
}

fn broken_length() -> Fault {
    Fault::new(FaultKind::Upstream, "the object does not have the announced length")
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    fn chunks(chunks: Vec<Result<&'static str, FaultKind>>) -> Chunks {
        let chunks = chunks.into_iter().map(|chunk| match chunk {
            Ok(text) => Ok(Bytes::from_static(text.as_bytes())),
            Err(kind) => Err(Fault::new(kind, "scripted")),
        });
        stream::iter(chunks.collect::<Vec<_>>()).boxed_local()
    }

    async fn read(mut payload: Payload) -> (Vec<Bytes>, Option<FaultKind>) {
        let mut read = Vec::new();
        while let Some(chunk) = poll_fn(|context| Pin::new(&mut payload).poll_next(context)).await {
            match chunk {
                Ok(chunk) => read.push(chunk),
                Err(fault) => return (read, Some(fault.kind())),
            }
        }
        (read, None)
    }

    /// Red when a slice is a copy: `Bytes::copy_from_slice` in `take_waiting`.
    #[tokio::test]
    async fn fault_06_a_big_buffer_goes_out_in_slices_of_itself() {
        let whole = Bytes::from(vec![7; 3 * CHUNK_BYTES + 1]);
        let (slices, fault) = read(Payload::whole(whole.clone())).await;
        assert_eq!(fault, None);
        assert_eq!(slices.iter().map(Bytes::len).collect::<Vec<_>>(), [CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES, 1]);
        assert_eq!(slices[0].as_ptr(), whole.as_ptr());
        assert_eq!(slices[3].as_ptr(), whole[3 * CHUNK_BYTES..].as_ptr());
    }

    #[test]
    fn a_small_buffer_is_handed_over_as_it_is() {
        let bytes = Bytes::from(vec![7; 100]);
        let Ok(handed) = Payload::whole(bytes.clone()).into_body().try_into_bytes() else { panic!("not a buffer") };
        assert_eq!(handed.as_ptr(), bytes.as_ptr());
    }

    #[tokio::test]
    async fn a_head_answer_tells_the_length_and_sends_nothing() {
        let payload = Payload::whole(Bytes::from_static(b"four")).without_body();
        assert_eq!(payload.size(), BodySize::Sized(4));
        let body = payload.into_body();
        assert_eq!(body.size(), BodySize::Sized(4));
        assert!(body.try_into_bytes().is_err());
    }

    #[tokio::test]
    async fn a_stream_of_the_announced_length_passes_without_its_empty_chunks() {
        let (read, fault) = read(Payload::stream(Some(4), chunks(vec![Ok("fo"), Ok(""), Ok("ur")]))).await;
        assert_eq!((read.concat().as_slice(), read.len(), fault), (&b"four"[..], 2, None));
    }

    #[tokio::test]
    async fn a_stream_that_fails_or_breaks_its_word_fails_the_payload() {
        for (script, sent, kind) in [
            (vec![Ok("fo")], "fo", FaultKind::Upstream),
            (vec![Ok("fo"), Ok("urs")], "fo", FaultKind::Upstream),
            (vec![Ok("fo"), Err(FaultKind::TimedOut)], "fo", FaultKind::TimedOut),
        ] {
            let (read, fault) = read(Payload::stream(Some(4), chunks(script))).await;
            assert_eq!((read.concat().as_slice(), fault), (sent.as_bytes(), Some(kind)));
        }
    }

    #[tokio::test]
    async fn a_stream_that_fails_before_its_first_chunk_does_not_begin() {
        for (script, kind) in [
            (vec![], FaultKind::Upstream),
            (vec![Ok("")], FaultKind::Upstream),
            (vec![Ok("fours")], FaultKind::Upstream),
            (vec![Err(FaultKind::TimedOut)], FaultKind::TimedOut),
        ] {
            let begun = Payload::stream(Some(4), chunks(script)).begun().await;
            assert_eq!(begun.map(|_| ()).unwrap_err().kind(), kind);
        }
        let begun = Payload::stream(Some(4), chunks(vec![Ok("fo"), Err(FaultKind::TimedOut)])).begun().await.unwrap();
        let (read, fault) = read(begun).await;
        assert_eq!((read.concat().as_slice(), fault), (&b"fo"[..], Some(FaultKind::TimedOut)), "later it is too late");
    }

    #[test]
    fn a_buffer_of_another_length_than_promised_is_refused() {
        let fault = Payload::of(Body::Bytes(Bytes::from_static(b"four")), Some(5)).map(|_| ()).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Upstream);
    }
}

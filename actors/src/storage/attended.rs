use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::fault::{Fault, FaultKind};
use crate::vocab::{Body, ByteStream};
use crate::wait::pause;

/// Keeps `guard` alive while a body is read, but no longer than its reader pauses for `patience` between two chunks:
/// then the source is closed and `guard` dropped, although the reader is still there. Time that the source itself takes
/// does not count.
///
/// Without this, a handful of clients that stop reading could hold every permit for ever.
pub(super) fn attended(body: Body, patience: Duration, guard: impl Send + 'static) -> Body {
    let length = body.length();
    let Body::Stream(stream) = body else { return body };
    let source = Open { chunks: stream.into_chunks(), _guard: Box::new(guard) };
    let desk = Arc::new(Desk(Mutex::new(Reading { source: Some(source), handed_over: None })));
    let watch = AbortOnDropHandle::new(tokio::spawn(watch(Arc::downgrade(&desk), patience)));
    Body::Stream(ByteStream::new(length, Attended { desk, done: false, _watch: watch }))
}

/// A body whose reader is watched.
struct Attended {
    desk: Arc<Desk>,
    done: bool,
    _watch: AbortOnDropHandle<()>,
}

/// Where the reader and its watch meet. Locked for one poll of the source at a time.
struct Desk(Mutex<Reading>);

struct Reading {
    /// `None` once it was closed.
    source: Option<Open>,
    /// When the reader was given a chunk, while it has not come back for the next.
    handed_over: Option<Instant>,
}

struct Open {
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>,
    _guard: Box<dyn Send>,
}

async fn watch(desk: Weak<Desk>, patience: Duration) {
    loop {
        let left = match desk.upgrade() {
            Some(desk) => desk.left(patience),
            None => return,
        };
        match left {
            Some(left) => pause(left).await,
            None => return,
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of the reader's time; `None` when it is over, and the source closed.
    fn left(&self, patience: Duration) -> Option<Duration> {
        let mut reading = self.lock();
        let paused = reading.handed_over.map_or(Duration::ZERO, |since| since.elapsed());
        if paused < patience {
            return Some(patience - paused);
        }
        let closed = reading.source.take();
        // Closing may take a while; the reader need not wait for it.
        drop(reading);
        drop(closed);
        None
    }
}

impl Stream for Attended {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let mut reading = self.desk.lock();
        reading.handed_over = None;
        let next = match &mut reading.source {
            Some(source) => ready!(source.chunks.as_mut().poll_next(context)),
            None => Some(Err(Fault::new(FaultKind::TimedOut, "the reader paused for too long"))),
        };
        let goes_on = matches!(next, Some(Ok(_)));
        let ended = if goes_on { None } else { reading.source.take() };
        reading.handed_over = goes_on.then(Instant::now);
        drop(reading);
        drop(ended);
        self.done = !goes_on;
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::stream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

    /// Three chunks, each of which takes its source longer than the reader may pause.
    fn slow_body(guard: &Arc<()>) -> Chunks {
        let chunks = stream::iter(["one", "two", "three"]).then(|text| async move {
            pause(PATIENCE * 2).await;
            Ok(Bytes::from_static(text.as_bytes()))
        });
        let Body::Stream(body) = attended(Body::Stream(ByteStream::new(None, chunks)), PATIENCE, Arc::clone(guard))
        else {
            panic!("a stream stays one")
        };
        body.into_chunks()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_source_is_no_fault_of_its_reader() {
        let guard = Arc::new(());
        let mut chunks = slow_body(&guard);
        for text in ["one", "two", "three"] {
            assert_eq!(chunks.next().await.unwrap().unwrap(), text);
        }
        assert!(chunks.next().await.is_none());
        assert_eq!(Arc::strong_count(&guard), 1, "given back at the end, although the body is still there");
        assert!(chunks.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_pauses_too_long_loses_its_source_and_hears_of_it() {
        let guard = Arc::new(());
        let mut chunks = slow_body(&guard);
        chunks.next().await.unwrap().unwrap();
        pause(PATIENCE - Duration::from_secs(1)).await;
        assert_eq!(Arc::strong_count(&guard), 2, "it has its time");
        chunks.next().await.unwrap().unwrap();
        pause(PATIENCE * 2).await;
        assert_eq!(Arc::strong_count(&guard), 1);
        assert_eq!(chunks.next().await.unwrap().unwrap_err().kind(), FaultKind::TimedOut);
        assert!(chunks.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_leaves_closes_its_source_at_once() {
        let guard = Arc::new(());
        let mut chunks = slow_body(&guard);
        chunks.next().await.unwrap().unwrap();
        drop(chunks);
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}

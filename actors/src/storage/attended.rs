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

/// What is asked of whoever reads a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Diligence {
    /// The longest pause between two chunks.
    pub(super) patience: Duration,
    /// Bytes a second, averaged over `patience` of the reader's own time.
    pub(super) min_rate: u64,
}

/// Keeps `guard` alive while a body is read by a diligent reader. When that pauses for too long between two chunks, or
/// takes too little over a longer time, the source is closed and `guard` dropped, although the reader is still there.
/// Time that the source itself takes does not count.
///
/// Without this, a handful of clients that stop reading, or take a chunk now and then, could hold every permit for ever.
pub(super) fn attended(body: Body, diligence: Diligence, guard: impl Send + 'static) -> Body {
    let length = body.length();
    let Body::Stream(stream) = body else { return body };
    let source = Open { chunks: stream.into_chunks(), _guard: Box::new(guard) };
    let desk = Arc::new(Desk { diligence, reading: Mutex::new(Reading::begin(source)) });
    let watch = AbortOnDropHandle::new(tokio::spawn(watch(Arc::downgrade(&desk))));
    Body::Stream(ByteStream::new(length, Attended { desk, done: false, _watch: watch }))
}

/// A body whose reader is watched.
struct Attended {
    desk: Arc<Desk>,
    done: bool,
    _watch: AbortOnDropHandle<()>,
}

/// Where the reader and its watch meet. Locked for one poll of the source at a time.
struct Desk {
    diligence: Diligence,
    reading: Mutex<Reading>,
}

struct Reading {
    /// `None` once it was closed.
    source: Option<Open>,
    /// When the reader was given a chunk, while it has not come back for the next.
    handed_over: Option<Instant>,
    /// The reader's own time since its rate was last judged.
    spent: Duration,
    /// Bytes that it took meanwhile.
    taken: u64,
}

struct Open {
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>,
    _guard: Box<dyn Send>,
}

async fn watch(desk: Weak<Desk>) {
    loop {
        let left = match desk.upgrade() {
            Some(desk) => desk.left(),
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
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of the reader's time for this chunk; `None` when it is over, and the source closed.
    fn left(&self) -> Option<Duration> {
        let mut reading = self.lock();
        let paused = reading.handed_over.map_or(Duration::ZERO, |since| since.elapsed());
        let patience = self.diligence.patience;
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

impl Reading {
    fn begin(source: Open) -> Self {
        Self { source: Some(source), handed_over: None, spent: Duration::ZERO, taken: 0 }
    }

    /// The reader has come back for the next chunk. Gives the source up when it took too little for its time.
    fn come_back(&mut self, diligence: Diligence) -> Option<Open> {
        self.spent += self.handed_over.take()?.elapsed();
        if self.spent < diligence.patience {
            return None;
        }
        let (spent, taken) = (std::mem::take(&mut self.spent), std::mem::take(&mut self.taken));
        let expected = u128::from(diligence.min_rate) * spent.as_millis() / 1_000;
        if u128::from(taken) < expected { self.source.take() } else { None }
    }

    fn hand_over(&mut self, chunk: &Bytes) {
        self.handed_over = Some(Instant::now());
        self.taken += chunk.len() as u64;
    }
}

impl Stream for Attended {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let mut reading = self.desk.lock();
        let given_up = reading.come_back(self.desk.diligence);
        let next = match &mut reading.source {
            Some(source) => ready!(source.chunks.as_mut().poll_next(context)),
            None => Some(Err(Fault::new(FaultKind::TimedOut, "the body was read too slowly"))),
        };
        let ended = match &next {
            Some(Ok(chunk)) => {
                reading.hand_over(chunk);
                None
            }
            _ => reading.source.take(),
        };
        drop(reading);
        drop((given_up, ended));
        self.done = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::stream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const DILIGENCE: Diligence = Diligence { patience: PATIENCE, min_rate: 0 };

    type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

    /// Three chunks, each of which takes its source longer than the reader may pause.
    fn slow_body(guard: &Arc<()>) -> Chunks {
        let chunks = stream::iter(["one", "two", "three"]).then(|text| async move {
            pause(PATIENCE * 2).await;
            Ok(Bytes::from_static(text.as_bytes()))
        });
        let Body::Stream(body) = attended(Body::Stream(ByteStream::new(None, chunks)), DILIGENCE, Arc::clone(guard))
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

    /// Takes a body of a thousand chunks of 100 bytes, one every `pause` seconds; how many it got, and how it ended.
    async fn dripping(every: Duration, min_rate: u64) -> (usize, Option<FaultKind>) {
        let chunks = stream::iter((0..1_000).map(|_| Ok(Bytes::from_static(&[0; 100]))));
        let diligence = Diligence { patience: PATIENCE, min_rate };
        let Body::Stream(body) = attended(Body::Stream(ByteStream::new(None, chunks)), diligence, ()) else {
            panic!("a stream stays one")
        };
        let mut chunks = body.into_chunks();
        let mut got = 0;
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(_) => got += 1,
                Err(fault) => return (got, Some(fault.kind())),
            }
            pause(every).await;
        }
        (got, None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_a_little_now_and_then_loses_its_source() {
        let almost = PATIENCE - Duration::from_secs(1);
        assert_eq!(dripping(almost, 10).await, (2, Some(FaultKind::TimedOut)));
        assert_eq!(dripping(almost, 1).await, (1_000, None), "100 bytes in 59 s are more than one each second");
        assert_eq!(dripping(Duration::from_secs(10), 10).await, (1_000, None));
        assert_eq!(dripping(Duration::from_secs(11), 10).await, (6, Some(FaultKind::TimedOut)));
        assert_eq!(dripping(almost, 0).await, (1_000, None), "no rate is asked for");
    }
}

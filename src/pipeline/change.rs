//! Originals are written and removed, and what was derived from them goes.
//!
//! Between the two this process may be killed, and nobody would know that what is stored is old. So a change is noted
//! beside the originals before it can take effect, and struck out when all that follows from it is done. What is left
//! of those that were killed, or could not reach everything, is found by [`Recovery`](super::Recovery).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, TryStreamExt};
use mortar_actors::storage::PutCondition;
use mortar_actors::{
    Body, ByteStream, Deadline, Fault, FaultKind, ObjectKey, ObjectMeta, OriginalId, StoreId, patiently,
};

use super::Pipeline;
use crate::domain::{Change, Location};

/// How long noting a change may take at most, and striking it out. A store that is slower than that gets the change all the
/// same.
const NOTING: Duration = Duration::from_secs(5);

/// A change of an original on its way.
struct UnderWay {
    pipeline: Arc<Pipeline>,
    original: OriginalId,
    /// Where the original is, and the note of its change.
    store: StoreId,
    note: ObjectKey,
    /// Whether there may be such a note.
    noted: AtomicBool,
}

impl Pipeline {
    /// Writes an original, as [`StorageHandle::put`](mortar_actors::storage::StorageHandle::put), and ends what was
    /// derived from the old one, also where the store failed or was too slow: the change may have arrived.
    ///
    /// To be called in a task that does not end with its client.
    ///
    /// # Errors
    /// The fault of the write, or as [`Pipeline::purge`].
    pub async fn put_original(
        self: &Arc<Self>,
        bucket: &str,
        place: &Location,
        meta: ObjectMeta,
        body: Body,
        condition: PutCondition,
        deadline: Deadline,
    ) -> Result<ObjectMeta, Fault> {
        let change = UnderWay::new(self, bucket, place);
        let body = Arc::clone(&change).noted_before(body, deadline).await;
        let stored = self.storage.put(&place.store, &place.key, meta, body, condition, deadline).await;
        change.settle(stored).await
    }

    /// Removes an original, and ends what was derived from it, in the same way.
    ///
    /// # Errors
    /// The fault of the removal, or as [`Pipeline::purge`].
    pub async fn delete_original(
        self: &Arc<Self>,
        bucket: &str,
        place: &Location,
        deadline: Deadline,
    ) -> Result<(), Fault> {
        let change = UnderWay::new(self, bucket, place);
        change.note(deadline).await;
        let removed = self.storage.delete(&place.store, &place.key, deadline).await;
        change.settle(removed).await
    }
}

impl UnderWay {
    fn new(pipeline: &Arc<Pipeline>, bucket: &str, place: &Location) -> Arc<Self> {
        let original = OriginalId::in_bucket(bucket, &place.key);
        Arc::new(Self {
            pipeline: Arc::clone(pipeline),
            store: place.store.clone(),
            note: Change::new(original.clone()).name(),
            original,
            noted: AtomicBool::new(false),
        })
    }

    /// The body, of which the last piece is held back until the change is noted: before that no store can show it. So a
    /// body that breaks off is never noted, and a note is soon struck out, however long the body takes.
    async fn noted_before(self: Arc<Self>, body: Body, deadline: Deadline) -> Body {
        match body {
            Body::Stream(stream) => {
                let length = stream.length();
                let noted = async move { self.note(deadline).await };
                Body::Stream(ByteStream::new(length, held_back(stream.into_chunks(), noted)))
            }
            whole => {
                self.note(deadline).await;
                whole
            }
        }
    }

    /// Notes the change, in at most half of the time that is left for it. One that cannot be noted goes on: its store may be
    /// full, and this be the removal that makes room.
    async fn note(&self, change: Deadline) {
        let Self { pipeline, original, store, note, noted } = self;
        if pipeline.routes.deriving_from(original.bucket()).is_empty() {
            return;
        }
        // Also when it fails, it may have arrived.
        noted.store(true, Relaxed);
        let write = |deadline| pipeline.storage.note(store, note, deadline);
        match patiently(noting(change), write).await {
            Ok(()) => {}
            Err(fault) if fault.kind() == FaultKind::Unsupported => {}
            Err(fault) => {
                let error: &dyn std::error::Error = &fault;
                tracing::warn!(%original, error, "a change cannot be noted; a kill before its end leaves old results");
            }
        }
    }

    /// Passes on what became of the change, once what was derived from the original is gone.
    async fn settle<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        let is_uncertain = outcome.as_ref().is_err_and(|fault| {
            use FaultKind::{Cancelled, Panicked, Restarting, TimedOut, Upstream};
            matches!(fault.kind(), TimedOut | Upstream | Panicked | Cancelled | Restarting)
        });
        let mut is_done = !is_uncertain;
        if outcome.is_ok() || is_uncertain {
            is_done &= self.pipeline.purge_one(&self.original).await?.is_complete();
        }
        if is_done && self.noted.load(Relaxed) {
            self.strike_out().await;
        }
        outcome
    }

    /// A note that stays is struck out later.
    async fn strike_out(&self) {
        let remove = |deadline| self.pipeline.storage.strike_out(&self.store, &self.note, deadline);
        if let Err(fault) = patiently(Deadline::within(NOTING), remove).await {
            let error: &dyn std::error::Error = &fault;
            tracing::debug!(original = %self.original, error, "the note of a change stays for now");
        }
    }
}

/// How long a change with this deadline may wait for its note: the write needs time as well.
fn noting(change: Deadline) -> Deadline {
    Deadline::within(NOTING.min(change.remaining() / 2))
}

/// The chunks, each as soon as the next one is there, and the last one when what it waits for is done. That is begun when
/// all of them are there.
fn held_back(
    chunks: BoxStream<'static, Result<Bytes, Fault>>,
    before_last: impl Future<Output = ()> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, Fault>> + Send {
    stream::try_unfold(Some((chunks, None, before_last)), |state| async move {
        let Some((mut chunks, mut held, before_last)) = state else { return Ok(None) };
        while let Some(chunk) = chunks.try_next().await? {
            if let Some(before) = held.replace(chunk) {
                return Ok(Some((before, Some((chunks, held, before_last)))));
            }
        }
        before_last.await;
        Ok(held.map(|last| (last, None)))
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::channel::oneshot;
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn chunks(chunks: &[&'static str]) -> BoxStream<'static, Result<Bytes, Fault>> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        stream::iter(chunks).boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_note_takes_five_seconds_or_half_of_what_is_left_for_its_change() {
        for (left, noted_within) in [(60_000, 5_000), (10_000, 5_000), (8_000, 4_000), (0, 0)] {
            let change = Deadline::within(Duration::from_millis(left));
            assert_eq!(noting(change).remaining(), Duration::from_millis(noted_within), "{left} ms are left");
        }
    }

    #[tokio::test]
    async fn the_last_piece_of_a_body_waits_for_the_note_and_the_others_do_not() {
        for pieces in [&["only"][..], &["first", "second", "last"]] {
            let (done, noted) = oneshot::channel();
            let mut body = pin!(held_back(chunks(pieces), noted.map(|done| done.unwrap())));
            let (last, others) = pieces.split_last().unwrap();
            for piece in others {
                assert_eq!(body.next().now_or_never().unwrap().unwrap().unwrap(), piece);
            }
            assert!(body.next().now_or_never().is_none(), "the change is not noted");
            done.send(()).unwrap();
            assert_eq!(body.next().now_or_never().unwrap().unwrap().unwrap(), last);
            assert!(body.next().now_or_never().unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn an_empty_body_ends_when_it_is_noted() {
        let (done, noted) = oneshot::channel();
        let mut body = pin!(held_back(chunks(&[]), noted.map(|done| done.unwrap())));
        assert!(body.next().now_or_never().is_none());
        done.send(()).unwrap();
        assert!(body.next().now_or_never().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_never_noted_and_its_last_piece_never_shown() {
        let broken = stream::once(async { Err(Fault::new(FaultKind::Invalid, "it breaks off")) });
        let noted = async { panic!("there is nothing to note") };
        let mut body = pin!(held_back(chunks(&["first", "second"]).chain(broken).boxed(), noted));
        assert_eq!(body.next().await.unwrap().unwrap(), "first");
        assert_eq!(body.next().await.unwrap().unwrap_err().kind(), FaultKind::Invalid);
        assert!(body.next().await.is_none());
    }
}

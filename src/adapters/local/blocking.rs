use std::sync::{Arc, Weak};

use mortar_actors::{Fault, FaultKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whoever waits for file work. Kept in the future that is waited for, and dropped with it.
#[derive(Default)]
pub(super) struct Caller(Arc<()>);

/// Tells file work whether anybody still waits for it.
pub(super) struct Awaited(Weak<()>);

impl Caller {
    pub(super) fn awaited(&self) -> Awaited {
        Awaited(Arc::downgrade(&self.0))
    }
}

impl Awaited {
    /// To be asked right before what cannot be taken back.
    ///
    /// # Errors
    /// `Cancelled` when the caller has left, as after a time-out.
    pub(super) fn still(&self) -> Result<(), Fault> {
        match self.0.strong_count() {
            0 => Err(Fault::new(FaultKind::Cancelled, "nobody waits for this change any more")),
            _ => Ok(()),
        }
    }
}

/// The threads of the blocking pool that one storage may occupy: disks work no faster for more, and one that hangs keeps no
/// more than these. They belong to the storage, however often its client is closed and opened anew.
///
/// At most half of them change something, so that reads go on beside a disk that is slow to write; and one more looks
/// whether the storage is there, so that a busy one is not taken for one that is gone.
#[derive(Clone, Debug)]
pub struct FileThreads {
    all: Arc<Semaphore>,
    changes: Arc<Semaphore>,
    checks: Arc<Semaphore>,
}

impl FileThreads {
    /// So many threads.
    pub fn new(threads: usize) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { all: places(threads), changes: places(threads.div_ceil(2)), checks: places(1) }
    }

    /// Reads when there is a thread for it.
    pub(super) async fn read<T: Send + 'static>(&self, work: impl Work<T>) -> Result<T, Fault> {
        let place = enter(&self.all).await?;
        done(place, work).await
    }

    /// Changes something when there is a thread for it.
    pub(super) async fn change<T: Send + 'static>(&self, work: impl Work<T>) -> Result<T, Fault> {
        let turn = enter(&self.changes).await?;
        let place = enter(&self.all).await?;
        done((turn, place), work).await
    }

    /// Looks whether the storage is there.
    pub(super) async fn check<T: Send + 'static>(&self, work: impl Work<T>) -> Result<T, Fault> {
        let place = enter(&self.checks).await?;
        done(place, work).await
    }
}

/// File work.
pub(super) trait Work<T>: FnOnce() -> Result<T, Fault> + Send + 'static {}

impl<T, F: FnOnce() -> Result<T, Fault> + Send + 'static> Work<T> for F {}

async fn enter(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Fault> {
    Arc::clone(places).acquire_owned().await.map_err(|error| stopping().caused_by(error))
}

/// Does file work on the blocking pool. It goes on to its end when the caller leaves, and keeps its place until then; what
/// it owns is dropped there.
async fn done<T: Send + 'static>(place: impl Send + 'static, work: impl Work<T>) -> Result<T, Fault> {
    let working = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    match working.await {
        Ok(done) => done,
        Err(error) if error.is_panic() => Err(Fault::new(FaultKind::Panicked, "reading or writing a file panicked")),
        Err(error) => Err(stopping().caused_by(error)),
    }
}

fn stopping() -> Fault {
    Fault::new(FaultKind::Cancelled, "the service is stopping")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_keeps_its_thread_to_its_end() {
        let threads = FileThreads::new(1);
        let (end, hangs) = mpsc::channel::<()>();
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&begun);
        let hanging = threads.read(move || {
            counted.fetch_add(1, SeqCst);
            hangs.recv().map_err(|_| Fault::new(FaultKind::Cancelled, "the test has ended"))
        });
        assert!(hanging.now_or_never().is_none(), "and it is dropped");
        let next = threads.read(|| Ok(()));
        tokio::pin!(next);
        assert!(next.as_mut().now_or_never().is_none());
        assert!(begun.load(SeqCst) <= 1);
        end.send(()).unwrap();
        next.await.unwrap();
        assert_eq!(begun.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn a_panic_gives_the_thread_back() {
        let threads = FileThreads::new(1);
        let panicked = threads.read(|| -> Result<(), Fault> { panic!("on purpose") }).await.unwrap_err();
        assert_eq!(panicked.kind(), FaultKind::Panicked);
        threads.read(|| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn changes_that_hang_leave_threads_to_reads_and_to_the_question_whether_it_is_there() {
        let threads = FileThreads::new(2);
        let (end, hangs) = mpsc::channel::<()>();
        let hanging = threads.change(move || hangs.recv().map_err(|_| stopping()));
        tokio::pin!(hanging);
        assert!(hanging.as_mut().now_or_never().is_none());
        let next = threads.change(|| Ok(()));
        tokio::pin!(next);
        assert!(next.as_mut().now_or_never().is_none());
        threads.read(|| Ok(())).await.unwrap();
        threads.check(|| Ok(())).await.unwrap();
        assert!(next.as_mut().now_or_never().is_none());
        end.send(()).unwrap();
        hanging.await.unwrap();
        next.await.unwrap();
    }
}

use std::sync::{Arc, Weak};

use mortar_actors::{Fault, FaultKind};
use tokio::sync::Semaphore;

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
/// more than these.
#[derive(Clone, Debug)]
pub(super) struct FileThreads(Arc<Semaphore>);

impl FileThreads {
    pub(super) fn new(threads: usize) -> Self {
        Self(Arc::new(Semaphore::new(threads)))
    }

    /// Does file work when there is a thread for it. The work goes on to its end when the caller leaves; what it owns is
    /// dropped there.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let stopping = || Fault::new(FaultKind::Cancelled, "the service is stopping");
        let place = Arc::clone(&self.0).acquire_owned().await.map_err(|error| stopping().caused_by(error))?;
        let working = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        match working.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => {
                Err(Fault::new(FaultKind::Panicked, "reading or writing a file panicked"))
            }
            Err(error) => Err(stopping().caused_by(error)),
        }
    }
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
        let hanging = threads.work(move || {
            counted.fetch_add(1, SeqCst);
            hangs.recv().map_err(|_| Fault::new(FaultKind::Cancelled, "the test has ended"))
        });
        assert!(hanging.now_or_never().is_none(), "and it is dropped");
        let next = threads.work(|| Ok(()));
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
        let panicked = threads.work(|| -> Result<(), Fault> { panic!("on purpose") }).await.unwrap_err();
        assert_eq!(panicked.kind(), FaultKind::Panicked);
        threads.work(|| Ok(())).await.unwrap();
    }
}

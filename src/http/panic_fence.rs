use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;

/// How many handlers have panicked; shared by all workers and read by the stats.
#[derive(Clone, Debug, Default)]
pub struct PanicCount(Arc<AtomicU64>);

impl PanicCount {
    /// Panics since the start.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Runs `work`, also the part before its first await. `None` when it panicked, which is counted.
    ///
    /// Whatever the work held is dropped by the unwinding. It shares nothing with other requests that could be left
    /// half changed: state that outlives a request lives in actors.
    pub(crate) async fn fence<Work, Output>(&self, work: impl FnOnce() -> Work) -> Option<Output>
    where
        Work: Future<Output = Output>,
    {
        let outcome = AssertUnwindSafe(async { work().await }).catch_unwind().await;
        if outcome.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        outcome.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fault_17_a_panic_is_caught_before_and_after_an_await_and_counted() {
        let panics = PanicCount::default();
        assert_eq!(panics.fence(|| async { 7 }).await, Some(7));
        assert_eq!(panics.fence(|| -> std::future::Ready<()> { panic!("at once") }).await, None);
        let later = || async {
            tokio::task::yield_now().await;
            panic!("later")
        };
        assert_eq!(panics.fence::<_, ()>(later).await, None);
        assert_eq!(panics.get(), 2);
    }
}

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

/// Runs `work`, also the part before its first await. `None` when it panicked.
///
/// Whatever the work held is dropped by the unwinding. It shares nothing with other requests that could be left half
/// changed: state that outlives a request lives in actors.
pub(crate) async fn fence<Work, Output>(work: impl FnOnce() -> Work) -> Option<Output>
where
    Work: Future<Output = Output>,
{
    AssertUnwindSafe(async { work().await }).catch_unwind().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_caught_before_and_after_an_await() {
        assert_eq!(fence(|| async { 7 }).await, Some(7));
        assert_eq!(fence(|| -> std::future::Ready<()> { panic!("at once") }).await, None);
        let later = || async {
            tokio::task::yield_now().await;
            panic!("later")
        };
        assert_eq!(fence::<_, ()>(later).await, None);
    }
}

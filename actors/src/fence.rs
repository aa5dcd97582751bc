//! The panic fence: a panic becomes a fault that the requester hears, and never ends more than its own work.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;

use crate::fault::{Fault, FaultKind};

/// Runs `work` and turns a panic into [`FaultKind::Panicked`].
///
/// What `work` touches counts as broken afterwards: whoever owns it rebuilds it.
pub(crate) fn fenced<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| panicked(payload.as_ref()))
}

/// As [`fenced`], for work that waits.
pub(crate) async fn fenced_async<F: Future>(work: F) -> Result<F::Output, Fault> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|payload| panicked(payload.as_ref()))
}

fn panicked(payload: &(dyn Any + Send)) -> Fault {
    let text = payload
        .downcast_ref::<&'static str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    Fault::new(FaultKind::Panicked, "the work failed unexpectedly").caused_by(text)
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_fault_that_keeps_its_text_for_the_log_only() {
        let fault = fenced_async(async { panic!("secret path {}", 7) }).await.map(|(): ()| ()).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Panicked);
        assert!(!fault.message().contains("secret"));
        assert_eq!(fault.source().unwrap().to_string(), "secret path 7");
    }

    #[test]
    fn work_that_does_not_panic_passes_through() {
        assert_eq!(fenced(|| 5).unwrap(), 5);
    }
}

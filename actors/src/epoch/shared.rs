use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::{EpochSettings, Mark, SharedEpochs, Token};
use crate::breaker::Breaker;
use crate::fault::Fault;
use crate::fence::fenced_async;
use crate::vocab::{Deadline, OriginalId, Originals};
use crate::wait::within;

/// How long telling that originals were replaced may take. It is worth more patience than a look-up: whoever is not told
/// serves the old picture until its time to live has passed.
const TELLING: Duration = Duration::from_secs(2);

/// The marks that instances share, behind their time-out and breaker. `None` is an answer that did not come.
pub(super) struct Shared {
    port: Arc<dyn SharedEpochs>,
    settings: EpochSettings,
    breaker: Breaker,
}

impl Shared {
    pub(super) fn new(port: Arc<dyn SharedEpochs>, settings: EpochSettings) -> Self {
        Self { port, settings, breaker: Breaker::new(settings.breaker) }
    }

    pub(super) async fn mark(&self, original: &OriginalId) -> Option<Mark> {
        self.ask(self.port.mark(original), self.settings.timeout).await
    }

    pub(super) async fn end(&self, originals: &Originals) -> Option<Token> {
        self.ask(self.port.end(originals), TELLING).await
    }

    /// Whether the others were told.
    pub(super) async fn recall(&self, originals: &Originals) -> bool {
        self.ask(self.port.recall(originals), TELLING).await.is_some()
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<T, Fault>>, limit: Duration) -> Option<T> {
        self.breaker.admit().ok()?;
        let asked = within(Deadline::within(limit), fenced_async(question)).await;
        let answer = asked.and_then(|answer| answer).and_then(|answer| answer);
        self.breaker.learn(&answer);
        answer
            .inspect_err(|fault| {
                tracing::debug!(error = fault as &dyn std::error::Error, "the marks that instances share failed");
            })
            .ok()
    }
}

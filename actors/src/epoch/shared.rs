use std::future::Future;
use std::sync::Arc;

use super::{EpochSettings, Mark, SharedEpochs, Token};
use crate::breaker::Breaker;
use crate::fault::Fault;
use crate::fence::fenced_async;
use crate::vocab::{Deadline, OriginalId, Originals};
use crate::wait::within;

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
        self.ask(self.port.mark(original)).await
    }

    pub(super) async fn end(&self, originals: &Originals) -> Option<Token> {
        self.ask(self.port.end(originals)).await
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<T, Fault>>) -> Option<T> {
        self.breaker.admit().ok()?;
        let asked = within(Deadline::within(self.settings.timeout), fenced_async(question)).await;
        let answer = asked.and_then(|answer| answer).and_then(|answer| answer);
        self.breaker.learn(&answer);
        answer
            .inspect_err(|fault| {
                tracing::debug!(error = fault as &dyn std::error::Error, "the marks that instances share failed");
            })
            .ok()
    }
}

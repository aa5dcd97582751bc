use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use mortar_actors::{Fault, FaultKind, ObjectKey};
use rusoto_s3::{GlacierJobParameters, RestoreObjectRequest, RestoreRequest, S3};
use tokio::time::Instant;

use super::S3Store;
use super::exchange::Manner;
use crate::config::GlacierConfig;

/// Restorations remembered at most. One that is forgotten is asked for again, which the store refuses harmlessly.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// How long asking for a restoration may take.
const ASKING: Duration = Duration::from_secs(10);

/// What is known of objects in an archive storage class.
pub(super) struct Archive {
    config: GlacierConfig,
    /// When the restoration of an object was asked for.
    asked: Mutex<LruCache<ObjectKey, Instant>>,
}

impl Archive {
    pub(super) fn new(config: GlacierConfig) -> Self {
        Self { config, asked: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// Whether the caller is the one to ask for the restoration. Afterwards nobody is until the object should be there.
    fn take_turn(&self, key: &ObjectKey) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.get(key).is_some_and(|since| since.elapsed() < self.config.retry_after) {
            return false;
        }
        asked.put(key.clone(), Instant::now());
        true
    }

    fn give_turn_back(&self, key: &ObjectKey) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).pop(key);
    }
}

impl S3Store {
    /// Has an archived object restored, if the bucket wants that, and tells when to come back.
    pub(super) async fn restore(&self, key: &ObjectKey) -> Fault {
        let config = &self.archive.config;
        if !config.enabled {
            return Fault::new(FaultKind::Archived, "the object lies in an archive, and must be restored to be read");
        }
        if self.archive.take_turn(key) {
            let (store, key) = (self.clone(), key.clone());
            // It does not end with its client: the turn is taken, and nobody else would ask.
            let asking = tokio::spawn(async move {
                let asked = tokio::time::timeout(ASKING, store.ask_for_restoration(&key)).await;
                let asked = asked.unwrap_or_else(|_| Err(Fault::new(FaultKind::TimedOut, "the store did not answer")));
                if let Err(fault) = asked {
                    store.archive.give_turn_back(&key);
                    tracing::warn!(%key, %fault, "the restoration of an archived object could not be asked for");
                }
            });
            let _ = asking.await;
        }
        Fault::new(FaultKind::Archived, "the object lies in an archive and is being restored")
            .retry_after(config.retry_after)
    }

    async fn ask_for_restoration(&self, key: &ObjectKey) -> Result<(), Fault> {
        let config = &self.archive.config;
        let request = RestoreObjectRequest {
            bucket: self.endpoint.bucket.clone(),
            key: key.to_string(),
            restore_request: Some(RestoreRequest {
                days: Some(i64::from(config.restore_days)),
                glacier_job_parameters: Some(GlacierJobParameters { tier: config.restore_tier.name().to_owned() }),
                ..RestoreRequest::default()
            }),
            ..RestoreObjectRequest::default()
        };
        match self.ask(Manner::once(), |s3| async move { s3.restore_object(request).await }).await {
            // Somebody else has asked already.
            Err(fault) if fault.kind() == FaultKind::PreconditionFailed => Ok(()),
            asked => asked.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_restoration_is_asked_for_once_until_it_should_be_over() {
        let archive = Archive::new(GlacierConfig { enabled: true, ..GlacierConfig::default() });
        let (one, other) = (ObjectKey::new("a"), ObjectKey::new("b"));
        assert!(archive.take_turn(&one) && archive.take_turn(&other));
        assert!(!archive.take_turn(&one));
        tokio::time::advance(archive.config.retry_after).await;
        assert!(archive.take_turn(&one));
        archive.give_turn_back(&one);
        assert!(archive.take_turn(&one), "one that failed is asked for again");
    }
}

//! Removing uploads that nobody completed, and what is remembered of those that were completed long ago.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use mortar_actors::StoreId;
use mortar_actors::storage::{Listed, StorageHandle};
use s3s::{S3ErrorCode, S3Result};

use super::ledger::{COMPLETED, Ledger, UPLOADS, UploadId};
use crate::config::Config;

/// Longest time between two sweeps.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Removes, now and then, multipart uploads that nobody completes, and forgets those that were completed.
#[derive(Clone, Debug)]
pub struct Sweep {
    stores: Vec<StoreId>,
    time_to_live: Duration,
    remembered: Duration,
    patience: Duration,
}

impl Sweep {
    /// Takes the buckets that somebody may write to.
    pub fn new(config: &Config) -> Self {
        Self {
            stores: config.written_to().map(|bucket| bucket.originals().clone()).collect(),
            time_to_live: config.s3_api.multipart_time_to_live,
            remembered: config.s3_api.multipart_completed_time_to_live,
            patience: config.server.request_timeout,
        }
    }

    /// Sweeps, and waits, and never ends by itself.
    pub async fn run(self, storage: StorageHandle) {
        loop {
            for store in &self.stores {
                let ledger = Ledger { storage: storage.clone(), store: store.clone(), patience: self.patience };
                match self.sweep(&ledger).await {
                    Ok(()) => {}
                    // A store that is only read has no uploads.
                    Err(error) if *error.code() == S3ErrorCode::MethodNotAllowed => {}
                    Err(error) => {
                        tracing::warn!(%store, %error, "not all uploads that are over could be removed");
                    }
                }
            }
            tokio::time::sleep(INTERVAL.min(self.time_to_live).min(self.remembered)).await;
        }
    }

    /// Does both, whatever fails of either, and tells the first failure.
    async fn sweep(&self, ledger: &Ledger) -> S3Result<()> {
        let ended = self.end_expired(ledger).await;
        let forgotten = forget(ledger, self.remembered).await;
        ended.and(forgotten)
    }

    /// Ends what nobody completed in time. One that cannot be ended is left for the next time and keeps none of the others
    /// from it; the first failure is told.
    async fn end_expired(&self, ledger: &Ledger) -> S3Result<()> {
        let mut outcome = Ok(());
        for (id, began) in beginnings(ledger).await? {
            if !is_older(began, self.time_to_live) {
                continue;
            }
            let store = &ledger.store;
            match ledger.end(&id).await {
                Ok(()) => tracing::info!(%store, upload = %id, "an upload that was not completed is removed"),
                Err(error) => {
                    tracing::warn!(%store, upload = %id, %error, "an upload that was not completed is not removed");
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }
}

fn is_older(moment: SystemTime, age: Duration) -> bool {
    moment.elapsed().is_ok_and(|passed| passed > age)
}

/// Forgets, page by page, uploads that were completed that long ago. A page that fails keeps none of the others from it; the
/// first failure is told.
async fn forget(ledger: &Ledger, remembered: Duration) -> S3Result<()> {
    let (mut outcome, mut next) = (Ok(()), None);
    loop {
        let page = ledger.page(COMPLETED, None, next).await?;
        let is_old = |listed: &Listed| listed.meta.last_modified.is_some_and(|written| is_older(written, remembered));
        let old = page.objects.into_iter().filter(is_old).map(|listed| listed.key);
        outcome = outcome.and(ledger.remove(old).await);
        next = page.next;
        if next.is_none() {
            return outcome;
        }
    }
}

/// When each upload began: the time of the oldest object that it has, since the first one is written before all others.
/// Parts whose upload has ended count as an upload of their own.
async fn beginnings(ledger: &Ledger) -> S3Result<Vec<(UploadId, SystemTime)>> {
    let mut found: HashMap<String, SystemTime> = HashMap::new();
    let mut next = None;
    loop {
        let page = ledger.page(UPLOADS, None, next).await?;
        for object in &page.objects {
            let name = object.key.as_str().strip_prefix(UPLOADS).and_then(|rest| rest.split('/').next());
            let (Some(name), Some(written)) = (name, object.meta.last_modified) else { continue };
            let oldest = found.entry(name.to_owned()).or_insert(written);
            *oldest = (*oldest).min(written);
        }
        next = page.next;
        if next.is_none() {
            return Ok(found
                .into_iter()
                .filter_map(|(name, began)| Some((UploadId::parse(&name).ok()?, began)))
                .collect());
        }
    }
}

//! Removing uploads that nobody completed.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use mortar_actors::StoreId;
use mortar_actors::storage::StorageHandle;
use s3s::S3Result;

use super::ledger::{Ledger, UPLOADS, UploadId};
use crate::config::Config;

/// Longest time between two sweeps.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Removes, now and then, multipart uploads that nobody completes.
#[derive(Clone, Debug)]
pub struct Sweep {
    stores: Vec<StoreId>,
    time_to_live: Duration,
    patience: Duration,
}

impl Sweep {
    /// Takes the buckets that somebody may write to.
    pub fn new(config: &Config) -> Self {
        let is_written_to = |name: &str| {
            let keys = config.buckets.get(name).into_iter().flat_map(|bucket| &bucket.keys);
            config.s3_api.key.iter().chain(keys).any(|key| !key.read_only)
        };
        let buckets = config.routes.iter().filter(|bucket| is_written_to(bucket.name()));
        Self {
            stores: buckets.map(|bucket| bucket.originals().clone()).collect(),
            time_to_live: config.s3_api.multipart_time_to_live,
            patience: config.server.request_timeout,
        }
    }

    /// Sweeps, and waits, and never ends by itself.
    pub async fn run(self, storage: StorageHandle) {
        loop {
            for store in &self.stores {
                let ledger = Ledger { storage: storage.clone(), store: store.clone(), patience: self.patience };
                if let Err(error) = sweep(&ledger, self.time_to_live).await {
                    tracing::warn!(%store, %error, "uploads that were not completed could not be removed");
                }
            }
            tokio::time::sleep(INTERVAL.min(self.time_to_live)).await;
        }
    }
}

async fn sweep(ledger: &Ledger, time_to_live: Duration) -> S3Result<()> {
    for (id, began) in beginnings(ledger).await? {
        if began.elapsed().is_ok_and(|age| age > time_to_live) {
            ledger.end(&id).await?;
            tracing::info!(store = %ledger.store, upload = %id, "an upload that was not completed is removed");
        }
    }
    Ok(())
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

//! Stored results by what they are derived from. See [`Marker`] for how they are found.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::{Duration, SystemTime};

use futures::{StreamExt, stream};
use mortar_actors::epoch::Token;
use mortar_actors::storage::{ListPage, ListRequest};
use mortar_actors::{Deadline, Fault, FaultKind, ObjectKey, OriginalId, Originals, StoreId, patiently};
use serde::Serialize;

use super::Pipeline;
use crate::domain::Marker;

/// Markers in one listing.
const PAGE: usize = 500;
/// Operations at once on the results of one page.
const AT_ONCE: usize = 8;
/// How long one operation may take, the wait for a store that is busy included.
const OPERATION: Duration = Duration::from_secs(30);

/// A stored result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// The bucket whose transform made it.
    pub bucket: String,
    /// Its key in that bucket's storage of results.
    pub key: String,
    /// Its size in bytes, where the storage tells it.
    pub size: Option<u64>,
    /// When it was written, as in HTTP.
    pub last_modified: Option<String>,
    /// Its media type, where the storage tells it.
    pub content_type: Option<String>,
}

/// Some of the results of an original.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VariantPage {
    /// The results; there may be more although there are none here.
    pub variants: Vec<Variant>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<String>,
}

/// What became of stored results that were to be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) removed: u64,
    pub(super) failed: u64,
}

impl Pipeline {
    /// The stored results of an original, a page at a time; `after` is [`VariantPage::next`] of the page before.
    ///
    /// # Errors
    /// `Invalid` for an `after` that is none, and whatever the storages of results reported.
    pub async fn variants(&self, original: &OriginalId, after: Option<&str>) -> Result<VariantPage, Fault> {
        let buckets = self.routes.deriving_from(original.bucket());
        let (bucket, start_after) = match after {
            None => (None, None),
            Some(after) => {
                let not_ours = || Fault::new(FaultKind::Invalid, "after is not the next of a page");
                let (bucket, marker) = after.split_once('/').ok_or_else(not_ours)?;
                (Some(bucket), Some(marker.to_owned()).filter(|marker| !marker.is_empty()))
            }
        };
        let mut rest = buckets.iter().skip_while(|known| bucket.is_some_and(|bucket| bucket != &**known.name()));
        let Some(bucket) = rest.next() else { return Ok(VariantPage::default()) };
        let originals = Originals::One(original.clone());
        let request = ListRequest { prefix: Marker::prefix(&originals), start_after, max_keys: PAGE, delimiter: None };
        let page = list(self, bucket.results(), request).await?;
        let next = match page.next {
            Some(next) => Some(format!("{}/{next}", bucket.name())),
            None => rest.next().map(|bucket| format!("{}/", bucket.name())),
        };
        let markers = page.objects.iter().filter_map(|listed| Marker::parse(&listed.key));
        // Two markers may tell of one result, when it was made anew while it was being removed.
        let results: BTreeSet<_> =
            markers.filter(|marker| originals.contains(&marker.original)).map(|marker| marker.result).collect();
        let looked_at = stream::iter(results).map(|key| self.variant(bucket.name(), bucket.results(), key));
        let found: Vec<_> = looked_at.buffered(AT_ONCE).collect().await;
        let variants = found.into_iter().filter_map(Result::transpose).collect::<Result<_, Fault>>()?;
        Ok(VariantPage { variants, next })
    }

    /// A result as it is stored; `None` when only its marker is left.
    async fn variant(&self, bucket: &str, store: &StoreId, key: ObjectKey) -> Result<Option<Variant>, Fault> {
        let meta = match patiently(soon(), |deadline| self.storage.stat(store, &key, deadline)).await {
            Ok(meta) => meta,
            Err(fault) if fault.is_not_found() => return Ok(None),
            Err(fault) => return Err(fault),
        };
        Ok(Some(Variant {
            bucket: bucket.to_owned(),
            key: key.as_str().to_owned(),
            size: meta.length,
            last_modified: meta.last_modified.map(|time: SystemTime| httpdate::fmt_http_date(time)),
            content_type: meta.content_type,
        }))
    }
}

/// Removes the stored results of originals, page by page, but for those that were made under an epoch of `newer`. What
/// fails is logged, and left to be found the next time.
pub(super) async fn remove(pipeline: &Pipeline, originals: &Originals, newer: Option<Token>) -> Removal {
    let mut removal = Removal::default();
    for bucket in pipeline.routes.deriving_from(originals.bucket().unwrap_or_default()) {
        if let Err(fault) = remove_from(pipeline, bucket.results(), originals, newer, &mut removal).await {
            removal.failed += 1;
            let error: &dyn Error = &fault;
            tracing::warn!(bucket = &**bucket.name(), error, "results of replaced originals cannot be found");
        }
    }
    removal
}

async fn remove_from(
    pipeline: &Pipeline,
    store: &StoreId,
    originals: &Originals,
    newer: Option<Token>,
    removal: &mut Removal,
) -> Result<(), Fault> {
    let prefix = Marker::prefix(originals);
    let mut start_after = None;
    loop {
        let request = ListRequest { prefix: prefix.clone(), start_after, max_keys: PAGE, delimiter: None };
        let page = list(pipeline, store, request).await?;
        let old = page.objects.into_iter().filter_map(|listed| {
            let marker = Marker::parse(&listed.key)?;
            let is_old = originals.contains(&marker.original) && !newer.is_some_and(|token| marker.mark.has(token));
            is_old.then_some((marker.result, listed.key))
        });
        let removals = stream::iter(old).map(|(result, marker)| remove_one(pipeline, store, result, marker));
        let mut ended = removals.buffer_unordered(AT_ONCE);
        while let Some(outcome) = ended.next().await {
            match outcome {
                Ok(()) => removal.removed += 1,
                Err(fault) => {
                    removal.failed += 1;
                    tracing::warn!(%store, error = &fault as &dyn Error, "a result of a replaced original stays");
                }
            }
        }
        start_after = page.next;
        if start_after.is_none() {
            return Ok(());
        }
    }
}

/// Removes a result and then its marker: where the first fails, the marker is still there to find it by.
async fn remove_one(pipeline: &Pipeline, store: &StoreId, result: ObjectKey, marker: ObjectKey) -> Result<(), Fault> {
    patiently(soon(), |deadline| pipeline.storage.delete_back(store, &result, deadline)).await?;
    patiently(soon(), |deadline| pipeline.storage.delete_back(store, &marker, deadline)).await
}

/// The limit of an operation that begins now.
fn soon() -> Deadline {
    Deadline::within(OPERATION)
}

/// A page of what Mortar keeps for itself; an empty one where there can be nothing.
pub(super) async fn list(pipeline: &Pipeline, store: &StoreId, request: ListRequest) -> Result<ListPage, Fault> {
    match patiently(soon(), |deadline| pipeline.storage.list(store, request.clone(), deadline)).await {
        Err(fault) if fault.is_not_found() || fault.kind() == FaultKind::Unsupported => Ok(ListPage::default()),
        listed => listed,
    }
}

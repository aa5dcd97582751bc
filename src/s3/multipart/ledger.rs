use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use futures::{StreamExt, stream};
use mortar_actors::storage::{ListPage, ListRequest, Listed, PutCondition, StorageHandle};
use mortar_actors::{Body, Deadline, ObjectKey, ObjectMeta, StoreId};
use s3s::{S3Result, s3_error};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::completion::Completion;
use crate::s3::codes::error_of;
use crate::s3::upload::{decode_hex, hex};

/// Below this lies everything of open uploads; [`is_reserved`](crate::domain::is_reserved) keeps it from everybody else.
pub(super) const UPLOADS: &str = ".mortar/uploads/";

/// Below this lies what is remembered of uploads that were completed.
pub(super) const COMPLETED: &str = ".mortar/completed/";

/// Entries asked for at a time.
pub(super) const PAGE: usize = 1000;

/// Most bytes of an entry, and of what is remembered.
const ENTRY_BYTES: u64 = 64 * 1024;

/// Removals at once.
const REMOVALS: usize = 8;

/// The uploads of one bucket: open ones, and those that were completed of late.
#[derive(Clone)]
pub(super) struct Ledger {
    pub(super) storage: StorageHandle,
    pub(super) store: StoreId,
    /// How long one step may take.
    pub(super) patience: Duration,
}

/// The name of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UploadId([u8; 16]);

/// What was said when an upload began.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    pub(super) key: String,
    content_type: Option<String>,
    headers: BTreeMap<String, String>,
}

/// A part that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArrivedPart {
    pub(super) number: i32,
    pub(super) key: ObjectKey,
    pub(super) meta: ObjectMeta,
}

impl UploadId {
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// # Errors
    /// `NoSuchUpload`.
    pub(super) fn parse(text: &str) -> S3Result<Self> {
        let mut bytes = [0; 16];
        decode_hex(text, &mut bytes).ok_or_else(|| s3_error!(NoSuchUpload))?;
        Ok(Self(bytes))
    }

    fn directory(&self) -> String {
        format!("{UPLOADS}{self}/")
    }

    fn entry(&self) -> ObjectKey {
        ObjectKey::new(format!("{UPLOADS}{self}/entry"))
    }

    /// Where it is remembered that it was completed.
    fn completion(&self) -> ObjectKey {
        ObjectKey::new(format!("{COMPLETED}{self}"))
    }

    /// Where a part lies. Numbers have five digits, so that names have the order of numbers.
    pub(super) fn part(&self, number: i32) -> ObjectKey {
        ObjectKey::new(format!("{UPLOADS}{self}/part-{number:05}"))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Entry {
    pub(super) fn new(key: &ObjectKey, meta: &ObjectMeta) -> Self {
        let (content_type, headers) = (meta.content_type.clone(), meta.headers.clone());
        Self { key: key.to_string(), content_type, headers }
    }

    /// The metadata that the object is to have.
    pub(super) fn into_meta(self) -> ObjectMeta {
        ObjectMeta { content_type: self.content_type, headers: self.headers, ..ObjectMeta::default() }
    }
}

impl Ledger {
    pub(super) fn soon(&self) -> Deadline {
        Deadline::within(self.patience)
    }

    /// Opens an upload.
    pub(super) async fn begin(&self, id: &UploadId, entry: &Entry) -> S3Result<()> {
        self.write(&id.entry(), entry).await
    }

    /// What an open upload of this object was begun with.
    ///
    /// # Errors
    /// `NoSuchUpload`, also when it is another object's.
    pub(super) async fn entry(&self, id: &UploadId, key: &str) -> S3Result<Entry> {
        let (entry, _) = self.read(id).await?.filter(|(entry, _)| entry.key == key).ok_or_else(no_such_upload)?;
        Ok(entry)
    }

    /// What an upload was begun with, and when; `None` when there is no such upload.
    pub(super) async fn read(&self, id: &UploadId) -> S3Result<Option<(Entry, Option<SystemTime>)>> {
        self.load(&id.entry()).await
    }

    /// How an upload was completed; `None` when it was not, or too long ago.
    pub(super) async fn completed(&self, id: &UploadId) -> S3Result<Option<Completion>> {
        Ok(self.load(&id.completion()).await?.map(|(completion, _)| completion))
    }

    async fn write(&self, key: &ObjectKey, value: &impl Serialize) -> S3Result<()> {
        let body = serde_json::to_vec(value).map_err(|cause| s3_error!(cause, InternalError))?;
        let meta = ObjectMeta { length: Some(body.len() as u64), ..ObjectMeta::default() };
        let body = Body::Bytes(body.into());
        let written = self.storage.put(&self.store, key, meta, body, PutCondition::None, self.soon()).await;
        written.map(drop).map_err(|fault| error_of(&fault))
    }

    /// What was written, and when.
    async fn load<T: DeserializeOwned>(&self, key: &ObjectKey) -> S3Result<Option<(T, Option<SystemTime>)>> {
        let loaded = match self.storage.load(&self.store, key, ENTRY_BYTES, self.soon()).await {
            Ok(loaded) => loaded,
            Err(fault) if fault.is_not_found() => return Ok(None),
            Err(fault) => return Err(error_of(&fault)),
        };
        let value = serde_json::from_slice(&loaded.bytes).map_err(|cause| s3_error!(cause, InternalError))?;
        Ok(Some((value, loaded.meta.last_modified)))
    }

    /// The parts that have arrived, in their order.
    pub(super) async fn arrived(&self, id: &UploadId) -> S3Result<Vec<ArrivedPart>> {
        let prefix = format!("{}part-", id.directory());
        let mut parts = Vec::new();
        let mut next = None;
        loop {
            let page = self.page(&prefix, None, next).await?;
            parts.extend(page.objects.into_iter().filter_map(|Listed { key, meta }| {
                let number = key.as_str().strip_prefix(&prefix)?.parse().ok()?;
                Some(ArrivedPart { number, key, meta })
            }));
            next = page.next;
            if next.is_none() {
                return Ok(parts);
            }
        }
    }

    /// Counts the open uploads, up to `enough`.
    pub(super) async fn open_uploads(&self, enough: usize) -> S3Result<usize> {
        let mut count = 0;
        let mut next = None;
        loop {
            let page = self.page(UPLOADS, Some("/"), next).await?;
            count += page.prefixes.len();
            next = page.next;
            if next.is_none() || count >= enough {
                return Ok(count);
            }
        }
    }

    /// The names of open uploads, in no order that means anything.
    pub(super) async fn ids(&self, at_most: usize) -> S3Result<Vec<UploadId>> {
        let mut ids = Vec::new();
        let mut next = None;
        loop {
            let page = self.page(UPLOADS, Some("/"), next).await?;
            let names = page.prefixes.iter().filter_map(|prefix| prefix.strip_prefix(UPLOADS)?.strip_suffix('/'));
            ids.extend(names.filter_map(|name| UploadId::parse(name).ok()));
            next = page.next;
            if next.is_none() || ids.len() >= at_most {
                return Ok(ids);
            }
        }
    }

    /// Ends an upload that was made an object, and remembers how. Whatever fails of it costs the client nothing but a
    /// second answer.
    pub(super) async fn complete(&self, id: &UploadId, completion: &Completion) {
        // Before the parts are gone, so that whoever misses one of them finds out why.
        if let Err(error) = self.write(&id.completion(), completion).await {
            tracing::warn!(%error, "that an upload was completed is not remembered");
        }
        if let Err(error) = self.end(id).await {
            tracing::warn!(%error, "parts of a completed upload are left to be swept");
        }
    }

    /// Removes an upload and all of its parts. It is gone for clients first, so that a failure on the way leaves nothing
    /// that could be completed; what is left then is swept later.
    pub(super) async fn end(&self, id: &UploadId) -> S3Result<()> {
        self.remove([id.entry()]).await?;
        let parts = self.arrived(id).await?;
        self.remove(parts.into_iter().map(|part| part.key)).await
    }

    /// Removes objects of these uploads. One that cannot be removed keeps none of the others from it; the first failure is
    /// told.
    pub(super) async fn remove(&self, keys: impl IntoIterator<Item = ObjectKey>) -> S3Result<()> {
        let delete = |key: ObjectKey| async move {
            self.storage.delete(&self.store, &key, self.soon()).await.map_err(|fault| error_of(&fault))
        };
        let mut removals = stream::iter(keys).map(delete).buffer_unordered(REMOVALS);
        let mut outcome = Ok(());
        while let Some(removed) = removals.next().await {
            outcome = outcome.and(removed);
        }
        outcome
    }

    pub(super) async fn page(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        start_after: Option<String>,
    ) -> S3Result<ListPage> {
        let (prefix, delimiter) = (prefix.to_owned(), delimiter.map(str::to_owned));
        let request = ListRequest { prefix, delimiter, start_after, max_keys: PAGE };
        self.storage.list(&self.store, request, self.soon()).await.map_err(|fault| error_of(&fault))
    }
}

fn no_such_upload() -> s3s::S3Error {
    s3_error!(NoSuchUpload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_and_nonsense_names_no_upload() {
        let id = UploadId::random();
        assert_eq!(UploadId::parse(&id.to_string()).unwrap(), id);
        for text in ["", "x", "../../etc/passwd", &"0".repeat(31), &"g".repeat(32), &"0".repeat(34)] {
            assert_eq!(UploadId::parse(text).unwrap_err().code().as_str(), "NoSuchUpload");
        }
    }

    #[test]
    fn everything_of_an_upload_is_reserved_and_parts_are_in_order() {
        let id = UploadId::random();
        assert!([id.entry(), id.completion()].iter().all(|key| crate::domain::is_reserved(key.as_str())));
        let names: Vec<_> = [1, 2, 10, 10_000].map(|number| id.part(number)).into();
        assert!(names.is_sorted() && names.iter().all(|name| crate::domain::is_reserved(name.as_str())));
    }
}

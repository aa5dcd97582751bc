//! Listing open uploads and their parts.

use futures::{StreamExt, TryStreamExt, stream};
use mortar_actors::ObjectMeta;
use s3s::dto::*;
use s3s::{S3Response, S3Result, s3_error};

use super::ledger::{ArrivedPart, UploadId};
use crate::s3::operations::{Operations, etag_of};

/// Most entries of one answer.
const MOST: i32 = 1000;

/// Entries of uploads read at once.
const READS: usize = 16;

/// An open upload, as a listing tells it. Ordered as the listing is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Open {
    key: String,
    id: String,
    initiated: Option<std::time::SystemTime>,
}

impl Operations {
    pub(in crate::s3) async fn parts(&self, input: ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
        let ledger = self.ledger(&input.bucket)?;
        let id = UploadId::parse(&input.upload_id)?;
        ledger.entry(&id, &input.key).await?;
        let most = count(input.max_parts)?;
        let after = input.part_number_marker.unwrap_or_default();
        let mut parts = ledger.arrived(&id).await?;
        parts.retain(|part| part.number > after);
        let is_truncated = parts.len() > most;
        parts.truncate(most);
        Ok(S3Response::new(ListPartsOutput {
            next_part_number_marker: parts.last().map(|part| part.number).filter(|_| is_truncated),
            parts: Some(parts.iter().map(told).collect()),
            is_truncated: Some(is_truncated),
            max_parts: i32::try_from(most).ok(),
            part_number_marker: Some(after),
            upload_id: Some(input.upload_id),
            bucket: Some(input.bucket),
            key: Some(input.key),
            ..ListPartsOutput::default()
        }))
    }

    pub(in crate::s3) async fn uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        if input.delimiter.as_deref().is_some_and(|delimiter| !delimiter.is_empty()) {
            return Err(s3_error!(NotImplemented, "open uploads are listed without a delimiter"));
        }
        let most = count(input.max_uploads)?;
        let mut open = self.open(&input.bucket).await?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let after = input.key_marker.as_deref().unwrap_or_default();
        let after_id = input.upload_id_marker.as_deref().filter(|_| !after.is_empty());
        open.retain(|upload| {
            let comes = upload.key.as_str() > after
                || (upload.key == after && after_id.is_some_and(|id| upload.id.as_str() > id));
            comes && upload.key.starts_with(prefix)
        });
        open.sort_unstable();
        let is_truncated = open.len() > most;
        open.truncate(most);
        let last = open.last().filter(|_| is_truncated).cloned();
        let (next_key_marker, next_upload_id_marker) = last.map(|upload| (upload.key, upload.id)).unzip();
        let uploads = open.into_iter().map(|upload| MultipartUpload {
            key: Some(upload.key),
            upload_id: Some(upload.id),
            initiated: upload.initiated.map(Timestamp::from),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            ..MultipartUpload::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            next_key_marker,
            next_upload_id_marker,
            is_truncated: Some(is_truncated),
            max_uploads: i32::try_from(most).ok(),
            prefix: input.prefix,
            key_marker: input.key_marker,
            upload_id_marker: input.upload_id_marker,
            bucket: Some(input.bucket),
            ..ListMultipartUploadsOutput::default()
        }))
    }

    /// All open uploads of a bucket; their number is bounded when they begin.
    async fn open(&self, bucket: &str) -> S3Result<Vec<Open>> {
        let ledger = self.ledger(bucket)?;
        let ids = ledger.ids(self.open_uploads).await?;
        let ledger = &ledger;
        let entries = stream::iter(ids).map(|id| async move { ledger.read(&id).await.map(|found| (id, found)) });
        let open = entries.buffer_unordered(READS).try_filter_map(|(id, found)| async move {
            Ok(found.map(|(entry, initiated)| Open { key: entry.key, id: id.to_string(), initiated }))
        });
        open.try_collect().await
    }
}

fn count(asked: Option<i32>) -> S3Result<usize> {
    let asked = asked.unwrap_or(MOST).min(MOST);
    usize::try_from(asked).map_err(|_| s3_error!(InvalidArgument, "the number of entries is less than nothing"))
}

fn told(part: &ArrivedPart) -> Part {
    let ObjectMeta { length, last_modified, .. } = &part.meta;
    Part {
        part_number: Some(part.number),
        e_tag: etag_of(&part.meta),
        size: length.and_then(|length| i64::try_from(length).ok()),
        last_modified: last_modified.map(Timestamp::from),
        ..Part::default()
    }
}

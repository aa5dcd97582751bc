//! Uploads in parts.
//!
//! The parts lie, as objects of their own, in the store of the bucket's objects, below a reserved name that nobody else can
//! read or list: so every instance that shares the store can take the next part, and a part is bounded and verified as any
//! other upload. [`assembly`] makes the object of them in one write, so it appears whole or not at all.

mod assembly;
mod completion;
mod ledger;
mod listing;
mod sweep;

use mortar_actors::storage::PutCondition;
use mortar_actors::{ByteRange, ObjectMeta};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use self::ledger::{Entry, Ledger, UploadId};
use super::codes::error_of;
use super::copies::SourceConditions;
use super::object_headers::meta_of;
use super::operations::{Operations, etag_of, to_its_end};
use super::upload::Received;

pub use self::sweep::Sweep;

/// Parts are numbered from one to this.
const MAX_PARTS: i32 = 10_000;

impl Operations {
    fn ledger(&self, bucket: &str) -> S3Result<Ledger> {
        let store = self.originals(bucket)?;
        Ok(Ledger { storage: self.pipeline.storage.clone(), store, patience: self.patience })
    }

    pub(super) async fn create_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = &request.input;
        let place = self.place(&input.bucket, &input.key)?;
        let meta = meta_of(&request.headers)?;
        let ledger = self.ledger(&input.bucket)?;
        if ledger.open_uploads(self.open_uploads).await? >= self.open_uploads {
            return Err(s3_error!(SlowDown, "too many multipart uploads are open in this bucket"));
        }
        let id = UploadId::random();
        ledger.begin(&id, &Entry::new(&place.key, &meta)).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            upload_id: Some(id.to_string()),
            bucket: Some(request.input.bucket),
            key: Some(request.input.key),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    pub(super) async fn put_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = &request.input;
        let number = part_number(input.part_number)?;
        let ledger = self.ledger(&input.bucket)?;
        let id = UploadId::parse(&input.upload_id)?;
        ledger.entry(&id, &input.key).await?;
        let Received { body, length, verdict } = self.receive(&request).await?;
        let meta = ObjectMeta { length: Some(length), ..ObjectMeta::default() };
        let (storage, deadline, key) = (ledger.storage, self.in_time_for_a_body(), id.part(number));
        let stored = storage.put(&ledger.store, &key, meta, body, PutCondition::None, deadline).await;
        let stored = stored.map_err(|fault| verdict.error_or(|| error_of(&fault)))?;
        let checksum = verdict.checksum();
        Ok(S3Response::new(UploadPartOutput {
            e_tag: etag_of(&stored),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..UploadPartOutput::default()
        }))
    }

    pub(super) async fn copy_part(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = &request.input;
        let number = part_number(input.part_number)?;
        let ledger = self.ledger(&input.bucket)?;
        let id = UploadId::parse(&input.upload_id)?;
        ledger.entry(&id, &input.key).await?;
        let source = self.source(&request, &input.copy_source)?;
        let range = input.copy_source_range.as_deref().map(read_range).transpose()?;
        let fetched = self.fetch_source(&source, range, &SourceConditions::of_part(input)).await?;
        let length = fetched.part.map(|part| part.len()).or(fetched.meta.length).or(fetched.body.length());
        self.check_length(length)?;
        let meta = ObjectMeta { length, ..ObjectMeta::default() };
        let (deadline, key) = (self.in_time_for_a_body(), id.part(number));
        let stored = ledger.storage.put(&ledger.store, &key, meta, fetched.body, PutCondition::None, deadline).await;
        let stored = stored.map_err(|fault| error_of(&fault))?;
        let result = CopyPartResult {
            e_tag: etag_of(&stored),
            last_modified: stored.last_modified.map(Timestamp::from),
            ..CopyPartResult::default()
        };
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() }))
    }

    pub(super) async fn abort_upload(
        &self,
        input: AbortMultipartUploadInput,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let ledger = self.ledger(&input.bucket)?;
        let id = UploadId::parse(&input.upload_id)?;
        ledger.entry(&id, &input.key).await?;
        to_its_end(async move { ledger.end(&id).await }).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

impl<'a> SourceConditions<'a> {
    fn of_part(input: &'a UploadPartCopyInput) -> Self {
        Self {
            if_match: input.copy_source_if_match.as_ref(),
            if_none_match: input.copy_source_if_none_match.as_ref(),
            if_modified_since: input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        }
    }
}

fn part_number(number: i32) -> S3Result<i32> {
    if (1..=MAX_PARTS).contains(&number) {
        return Ok(number);
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and {MAX_PARTS}, inclusive"))
}

/// A range of a source, which has both ends.
fn read_range(text: &str) -> S3Result<ByteRange> {
    let ends = text.strip_prefix("bytes=").and_then(|text| text.split_once('-'));
    let range = ends.and_then(|(first, last)| Some(ByteRange::Between(first.parse().ok()?, last.parse().ok()?)));
    range.ok_or_else(|| s3_error!(InvalidArgument, "the range of the source is not bytes=FIRST-LAST"))
}

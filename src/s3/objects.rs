//! Putting and removing objects.

use std::sync::Arc;

use futures::{StreamExt, stream};
use mortar_actors::ObjectMeta;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::codes::error_of;
use super::object_headers::{condition, meta_of};
use super::operations::{Operations, etag_of, to_its_end};
use super::upload::Received;

/// Most keys of one request to remove many.
const MAX_DELETED: usize = 1000;

/// Removals at once for one request.
const REMOVALS: usize = 8;

impl Operations {
    pub(super) async fn put(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = &request.input;
        let place = self.place(&input.bucket, &input.key)?;
        let condition = condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let meta = meta_of(&request.headers)?;
        let Received { body, length, verdict } = self.receive(&request).await?;
        let meta = ObjectMeta { length: Some(length), ..meta };
        let (pipeline, bucket, deadline) =
            (Arc::clone(&self.pipeline), request.input.bucket, self.in_time_for_a_body());
        let outcome = verdict.clone();
        let written = to_its_end(async move {
            let stored = pipeline.put_original(&bucket, &place, meta, body, condition, deadline).await;
            stored.map_err(|fault| outcome.error_or(|| error_of(&fault)))
        });
        let written = written.await?;
        let checksum = verdict.checksum();
        Ok(S3Response::new(PutObjectOutput {
            e_tag: etag_of(&written),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    /// Removes that object and no other. One that is not there is gone as well.
    pub(super) async fn delete(&self, input: DeleteObjectInput) -> S3Result<S3Response<DeleteObjectOutput>> {
        if input.if_match.is_some() || input.if_match_size.is_some() || input.if_match_last_modified_time.is_some() {
            return Err(s3_error!(NotImplemented, "removals under a condition are not supported"));
        }
        only_current(input.version_id.as_deref())?;
        self.remove(input.bucket, &input.key).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    pub(super) async fn delete_many(&self, input: DeleteObjectsInput) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = input;
        if delete.objects.is_empty() || delete.objects.len() > MAX_DELETED {
            return Err(s3_error!(MalformedXML, "one to {MAX_DELETED} keys can be removed at once"));
        }
        let keys = stream::iter(delete.objects).map(|object| {
            let bucket = bucket.clone();
            async move {
                let removed = match can_be_removed(&object) {
                    Ok(()) => self.remove(bucket, &object.key).await,
                    refused => refused,
                };
                (removed, object.key)
            }
        });
        let removed: Vec<_> = keys.buffered(REMOVALS).collect().await;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for (outcome, key) in removed {
            match outcome {
                Ok(()) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    key: Some(key),
                    ..Error::default()
                }),
            }
        }
        let deleted = (!delete.quiet.unwrap_or(false)).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors: Some(errors), ..DeleteObjectsOutput::default() }))
    }

    async fn remove(&self, bucket: String, key: &str) -> S3Result<()> {
        let place = self.place(&bucket, key)?;
        let (pipeline, deadline) = (Arc::clone(&self.pipeline), self.soon());
        to_its_end(async move {
            pipeline.delete_original(&bucket, &place, deadline).await.map_err(|fault| error_of(&fault))
        })
        .await
    }
}

/// Whether one of many can be removed as it is asked for.
fn can_be_removed(object: &ObjectIdentifier) -> S3Result<()> {
    if object.e_tag.is_some() || object.size.is_some() || object.last_modified_time.is_some() {
        return Err(s3_error!(NotImplemented, "removals under a condition are not supported"));
    }
    only_current(object.version_id.as_deref())
}

/// An object has one version, which is called `null`.
fn only_current(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("" | "null") => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "there are no versions")),
    }
}

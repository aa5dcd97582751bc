//! What the protocol can be asked for, each operation carried out in the file with its name.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use mortar_actors::{Deadline, StoreId};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::claim::Claim;
use super::codes::error_of;
use super::guard::Guard;
use super::upload::{Received, Upload, UploadLimits};
use crate::config::Config;
use crate::domain::{Location, resolve};
use crate::pipeline::Pipeline;

/// Longest name of an object, in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// What all operations share.
pub(super) struct Operations {
    pub(super) guard: Guard,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) limits: UploadLimits,
    /// How long an operation on a store may take that moves no body.
    pub(super) patience: Duration,
    /// Multipart uploads open at once in one bucket.
    pub(super) open_uploads: usize,
    /// Told as the time when buckets were made.
    pub(super) started: SystemTime,
}

impl Operations {
    pub(super) fn new(config: &Config, guard: Guard, limits: UploadLimits, pipeline: Arc<Pipeline>) -> Self {
        Self {
            guard,
            pipeline,
            limits,
            patience: config.server.request_timeout,
            open_uploads: config.s3_api.multipart_uploads,
            started: SystemTime::now(),
        }
    }

    /// Where an object lies.
    ///
    /// # Errors
    /// `NoSuchBucket`, `KeyTooLongError`, and `InvalidRequest` for names that cannot be read back: those of results of
    /// transforms, those that no URL can have, and those that begin with a slash, which no storage can hold.
    pub(super) fn place(&self, bucket: &str, key: &str) -> S3Result<Location> {
        self.originals(bucket)?;
        if key.len() > MAX_KEY_BYTES {
            return Err(s3_error!(KeyTooLongError));
        }
        if key.starts_with('/') {
            return Err(s3_error!(InvalidRequest, "the name of an object cannot begin with a slash"));
        }
        let path = format!("/{bucket}/{}", utf8_percent_encode(key, NON_ALPHANUMERIC));
        let resolved = resolve(&self.guard.routes, &path, "").map_err(|fault| error_of(&fault))?;
        if resolved.derived.is_some() {
            return Err(s3_error!(InvalidRequest, "the name is that of the result of a transform"));
        }
        Ok(resolved.object)
    }

    /// The store of a bucket's objects.
    pub(super) fn originals(&self, bucket: &str) -> S3Result<StoreId> {
        let bucket = self.guard.routes.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        Ok(bucket.originals().clone())
    }

    /// Begins to receive the body of a request.
    pub(super) async fn receive<Input>(&self, request: &S3Request<Input>) -> S3Result<Received> {
        let upload = request.extensions.get::<Upload>();
        let (Some(upload), Some(credentials)) = (upload, &request.credentials) else {
            return Err(s3_error!(AccessDenied));
        };
        let claim = Claim::of(&request.uri, &request.headers);
        upload.receive(claim.as_ref(), &request.headers, credentials.secret_key.expose(), self.limits).await
    }

    /// The time for an operation that moves no body.
    pub(super) fn soon(&self) -> Deadline {
        Deadline::within(self.patience)
    }

    /// The time for storing an upload, which ends by itself before.
    pub(super) fn in_time_for_a_body(&self) -> Deadline {
        Deadline::within(self.limits.timeout + self.patience)
    }
}

/// Carries a change out to its end, also when the client leaves meanwhile: what follows from a change must follow.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = S3Result<T>> + Send + 'static,
) -> S3Result<T> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|cause| Err(s3_error!(cause, InternalError, "the request could not be completed")))
}

/// The validator of an object, as the protocol writes it.
pub(super) fn etag_of(meta: &mortar_actors::ObjectMeta) -> Option<ETag> {
    meta.etag.as_ref().map(|tag| ETag::Strong(tag.opaque().to_owned()))
}

#[async_trait]
impl S3 for Operations {
    async fn list_buckets(&self, request: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        self.all_buckets(&request)
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.bucket_exists(&request.input)
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.location(&request.input)
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.originals(&request.input.bucket)?;
        Err(s3_error!(BucketAlreadyOwnedByYou, "buckets are made in the configuration; this one is there"))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        self.list(request.input).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.list_v2(request.input).await
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.put(request).await
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        self.copy(request).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.delete(request.input).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.delete_many(request.input).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.create_upload(request).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.put_part(request).await
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.copy_part(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete_upload(request.input).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.abort_upload(request.input).await
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.parts(request.input).await
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.uploads(request.input).await
    }
}

//! Objects behind an S3 endpoint: AWS, MinIO, and whatever else speaks the protocol.
//!
//! Requests are described and answers are read by rusoto's typed interface, and rusoto signs. Everything between is ours:
//! the connections, the time-outs, the retries, the credentials ([`Exchange`]). Rusoto's own HTTP client is never made.

mod archive;
mod credentials;
mod endpoint;
mod exchange;
mod listing;
mod meta;
mod refusal;
mod upload;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use mortar_actors::storage::{ListPage, ListRequest, PutCondition, Store};
use mortar_actors::{Body, ByteRange, Fault, FaultKind, Fetched, ObjectKey, ObjectMeta};
use rusoto_core::signature::SignedRequest;
use rusoto_core::{Client, RusotoError};
use rusoto_s3::{DeleteObjectRequest, GetObjectRequest, HeadBucketRequest, HeadObjectRequest, S3, S3Client};

use self::archive::Archive;
use self::endpoint::Endpoint;
use self::exchange::{Exchange, Manner};
use self::upload::Uploads;
use crate::config::{S3Config, S3StorageConfig};

/// A bucket behind an S3 endpoint.
///
/// A key is used as it is: `a//b`, `a/b` and `a/../b` are three objects. One that begins with a slash is not found when
/// read and invalid when written, since some endpoints would take it for another. An answer's body is read as its reader
/// asks for it; dropping it closes the connection. Dropping the store closes the idle connections.
#[derive(Clone)]
pub struct S3Store {
    endpoint: Arc<Endpoint>,
    archive: Arc<Archive>,
    uploads: Uploads,
}

impl S3Store {
    /// A client of `bucket`; nothing is connected yet.
    ///
    /// The operator names the endpoint, so it may have any address, a private one as well.
    pub fn new(bucket: &str, storage: &S3StorageConfig, config: &S3Config) -> Self {
        Self {
            endpoint: Arc::new(Endpoint::new(bucket, storage, config)),
            archive: Arc::new(Archive::new(storage.glacier.clone())),
            uploads: Uploads::new(config),
        }
    }

    /// Asks the endpoint once, in its `manner`.
    async fn ask<T, E, F>(&self, manner: Manner, ask: impl FnOnce(S3Client) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, RusotoError<E>>>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let exchange = Exchange::new(Arc::clone(&self.endpoint), manner);
        let told = exchange.told();
        let client = S3Client::new_with_client(Client::new_not_signing(exchange), self.endpoint.region.clone());
        let misunderstood = || Fault::new(FaultKind::Upstream, "the store's answer cannot be understood");
        // Rusoto panics at a few kinds of answers that break the protocol.
        match AssertUnwindSafe(ask(client)).catch_unwind().await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(told.fault().unwrap_or_else(|| misunderstood().caused_by(error))),
            Err(_panic) => Err(misunderstood()),
        }
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Fetched, Fault> {
        let request = GetObjectRequest {
            bucket: self.endpoint.bucket.clone(),
            key: name(key).ok_or_else(refusal::absent)?,
            range: range.map(meta::range_header),
            ..GetObjectRequest::default()
        };
        let answer = self.ask(Manner::streaming(), |s3| async move { s3.get_object(request).await }).await?;
        meta::fetched(answer, range)
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectMeta, Fault> {
        let request = HeadObjectRequest {
            bucket: self.endpoint.bucket.clone(),
            key: name(key).ok_or_else(refusal::absent)?,
            ..HeadObjectRequest::default()
        };
        let answer = self.ask(Manner::repeatable(), |s3| async move { s3.head_object(request).await }).await?;
        Ok(meta::of_head(answer))
    }

    /// A range that lies outside, whatever the endpoint makes of it; some do not tell the size.
    async fn out_of_range(&self, key: &ObjectKey) -> Fault {
        match self.head(key).await {
            Ok(meta) => refusal::out_of_range(meta.length.unwrap_or_default()),
            Err(fault) => fault,
        }
    }
}

/// What an object is called at an endpoint; `None` for a key that begins with a slash. MinIO takes such slashes off: a
/// write to `/a` would change `a` and leave what was made of it, and a read of `/a` would be one of `a`.
fn name(key: &ObjectKey) -> Option<String> {
    Some(key.to_string()).filter(|name| !name.starts_with('/'))
}

#[async_trait]
impl Store for S3Store {
    async fn fetch(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Fetched, Fault> {
        if range.is_some_and(meta::is_nowhere) {
            return Err(self.out_of_range(key).await);
        }
        match self.get(key, range).await {
            Err(fault) if fault.kind() == refusal::SIZE_UNTOLD => Err(self.out_of_range(key).await),
            Err(fault) if fault.kind() == FaultKind::Archived => Err(self.restore(key).await),
            fetched => fetched,
        }
    }

    /// An endpoint answers a HEAD without a body, so a missing bucket looks like a missing object here. The health check
    /// tells them apart.
    async fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, Fault> {
        self.head(key).await
    }

    async fn put(
        &self,
        key: &ObjectKey,
        meta: ObjectMeta,
        body: Body,
        condition: &PutCondition,
    ) -> Result<ObjectMeta, Fault> {
        self.upload(key, meta, body, condition).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), Fault> {
        let Some(key) = name(key) else { return Ok(()) };
        let bucket = self.endpoint.bucket.clone();
        let request = DeleteObjectRequest { bucket, key, ..DeleteObjectRequest::default() };
        match self.ask(Manner::repeatable(), |s3| async move { s3.delete_object(request).await }).await {
            Err(fault) if !fault.is_not_found() => Err(fault),
            _ => Ok(()),
        }
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, Fault> {
        self.page(request).await
    }

    async fn link(&self, key: &ObjectKey, lasting: Duration) -> Result<Option<String>, Fault> {
        let Some(credentials) = self.endpoint.credentials.current().await? else { return Ok(None) };
        let path = format!("/{}/{}", self.endpoint.bucket, name(key).ok_or_else(refusal::absent)?);
        let mut request = SignedRequest::new("GET", "s3", &self.endpoint.region, &path);
        self.endpoint.place(&mut request);
        Ok(Some(request.generate_presigned_url(&credentials, &lasting, false)))
    }

    async fn check(&self) -> Result<(), Fault> {
        let request = HeadBucketRequest { bucket: self.endpoint.bucket.clone(), ..HeadBucketRequest::default() };
        match self.ask(Manner::repeatable(), |s3| async move { s3.head_bucket(request).await }).await {
            Err(fault) if fault.is_not_found() => Err(refusal::no_bucket().caused_by(fault)),
            checked => checked,
        }
    }
}

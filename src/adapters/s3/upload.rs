//! Writing an object: small ones in one request, large ones in parts that are made one object at their end.

mod gather;
mod multipart;

use std::sync::Arc;

use futures::stream;
use hyper::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use mortar_actors::storage::PutCondition;
use mortar_actors::{Body, Fault, FaultKind, ObjectKey, ObjectMeta};
use rusoto_core::ByteStream;
use rusoto_s3::{PutObjectRequest, S3};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::gather::Gather;
use super::exchange::Manner;
use super::meta::{self, Travelling};
use super::{S3Store, name, refusal};
use crate::adapters::measured::measured;
use crate::config::S3Config;

/// How bodies are cut up, and how many pieces are in memory at once.
#[derive(Clone)]
pub(super) struct Uploads {
    part_size: usize,
    parts_in_flight: usize,
    /// A permit for each part that may be in memory.
    parts: Arc<Semaphore>,
}

/// A part of a body, or the whole of a small one.
pub(super) struct Part {
    chunks: Vec<bytes::Bytes>,
    length: usize,
    /// Counts it as held in memory; nothing takes no place.
    _place: Option<OwnedSemaphorePermit>,
}

impl Uploads {
    pub(super) fn new(config: &S3Config) -> Self {
        let places = usize::try_from(config.upload_memory / config.part_size).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            part_size: usize::try_from(config.part_size).unwrap_or(usize::MAX),
            parts_in_flight: config.parts_in_flight,
            parts: Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let stopping = |_| Fault::new(FaultKind::Cancelled, "the service is stopping");
        Arc::clone(&self.parts).acquire_owned().await.map_err(stopping)
    }
}

impl S3Store {
    /// Writes the object and tells what the store is known to have now.
    pub(super) async fn upload(
        &self,
        key: &ObjectKey,
        mut meta: ObjectMeta,
        body: Body,
        condition: &PutCondition,
    ) -> Result<ObjectMeta, Fault> {
        let name = name(key).ok_or_else(refusal::unnameable)?;
        if meta.content_type.is_none() {
            meta.content_type = mime_guess::from_path(key.as_str()).first_raw().map(str::to_owned);
        }
        // What says all by its name never waits until others are out of memory: they may be waiting for it.
        let place = if body.length() == Some(0) { None } else { Some(self.uploads.place().await?) };
        let mut source = Gather::new(measured(body, meta.length), self.uploads.part_size);
        let first = source.part(place).await?;
        let (tag, length) = if source.is_at_end().await? {
            let length = first.length as u64;
            (self.put_whole(name, &meta, first, condition).await?, length)
        } else {
            self.put_parts(name, &meta, first, source, condition).await?
        };
        Ok(ObjectMeta { length: Some(length), etag: tag.as_deref().and_then(meta::tag), last_modified: None, ..meta })
    }

    async fn put_whole(
        &self,
        key: String,
        meta: &ObjectMeta,
        whole: Part,
        condition: &PutCondition,
    ) -> Result<Option<String>, Fault> {
        let travelling = Travelling::of(meta);
        let request = PutObjectRequest {
            bucket: self.endpoint.bucket.clone(),
            key,
            body: Some(placeholder(whole.length)),
            content_type: meta.content_type.clone(),
            cache_control: travelling.cache_control,
            content_disposition: travelling.content_disposition,
            content_encoding: travelling.content_encoding,
            content_language: travelling.content_language,
            expires: travelling.expires,
            metadata: Some(travelling.user),
            ..PutObjectRequest::default()
        };
        let manner = conditional(Manner::repeatable(), condition)?.carrying(whole.chunks);
        let answer = self.ask(manner, |s3| async move { s3.put_object(request).await }).await;
        unmet_if_absent(answer, condition).map(|answer| answer.e_tag)
    }
}

/// Stands for the body in a typed request: it has the length, and the exchange has the bytes.
fn placeholder(length: usize) -> ByteStream {
    ByteStream::new_with_size(stream::empty(), length)
}

fn conditional(manner: Manner, condition: &PutCondition) -> Result<Manner, Fault> {
    Ok(match condition {
        PutCondition::None => manner,
        PutCondition::IfAbsent => manner.on_condition(IF_NONE_MATCH, HeaderValue::from_static("*")),
        PutCondition::IfMatch(tag) => manner.on_condition(IF_MATCH, header_value(&tag.to_string(), &IF_MATCH)?),
    })
}

fn header_value(text: &str, name: &HeaderName) -> Result<HeaderValue, Fault> {
    let unsendable = || Fault::new(FaultKind::Invalid, format!("the value of {name} cannot be sent"));
    HeaderValue::from_str(text).map_err(|error| unsendable().caused_by(error))
}

/// A write finds no object only where it was to match one: otherwise it is the bucket that is missing.
fn unmet_if_absent<T>(answer: Result<T, Fault>, condition: &PutCondition) -> Result<T, Fault> {
    match answer {
        Err(fault) if fault.is_not_found() && !matches!(condition, PutCondition::IfMatch(_)) => {
            Err(refusal::no_bucket().caused_by(fault))
        }
        answer => answer,
    }
}

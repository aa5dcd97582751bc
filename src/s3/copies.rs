//! Objects made of objects. The bytes pass through this process in pieces; stores need not know each other.

use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use mortar_actors::storage::PutCondition;
use mortar_actors::{ByteRange, Fetched, ObjectMeta};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::codes::error_of;
use super::keyring::Right;
use super::object_headers::meta_of;
use super::operations::{Operations, etag_of, to_its_end};
use crate::domain::Location;

/// What must be true of a source.
pub(super) struct SourceConditions<'a> {
    pub(super) if_match: Option<&'a ETagCondition>,
    pub(super) if_none_match: Option<&'a ETagCondition>,
    pub(super) if_modified_since: Option<&'a Timestamp>,
    pub(super) if_unmodified_since: Option<&'a Timestamp>,
}

impl Operations {
    pub(super) async fn copy(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = &request.input;
        let target = self.place(&input.bucket, &input.key)?;
        let source = self.source(&request, &input.copy_source)?;
        let replaces =
            input.metadata_directive.as_ref().is_some_and(|told| told.as_str() == MetadataDirective::REPLACE);
        if source == target && !replaces {
            return Err(s3_error!(InvalidRequest, "a copy onto itself must change the metadata"));
        }
        let Fetched { meta, body, .. } = self.fetch_source(&source, None, &SourceConditions::of(input)).await?;
        let described = if replaces { meta_of(&request.headers)? } else { meta.clone() };
        let length = meta.length.or(body.length());
        self.check_length(length)?;
        let meta = ObjectMeta { length, etag: None, last_modified: None, ..described };
        let condition = condition_of_target(&request.headers)?;
        let (pipeline, bucket, deadline) =
            (Arc::clone(&self.pipeline), request.input.bucket, self.in_time_for_a_body());
        let written = to_its_end(async move {
            let stored = pipeline.put_original(&bucket, &target, meta, body, condition, deadline);
            stored.await.map_err(|fault| error_of(&fault))
        });
        let written = written.await?;
        let result = CopyObjectResult {
            e_tag: etag_of(&written),
            last_modified: written.last_modified.map(Timestamp::from),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
    }

    /// Where the source of a copy lies, if the signer may read it.
    pub(super) fn source<Input>(&self, request: &S3Request<Input>, source: &CopySource) -> S3Result<Location> {
        let CopySource::Bucket { bucket, key, version_id: None } = source else {
            return Err(s3_error!(NotImplemented, "the source must be an object of a bucket, without a version"));
        };
        let credentials = request.credentials.as_ref().ok_or_else(|| s3_error!(AccessDenied))?;
        self.guard.may(&credentials.access_key, bucket, Right::Read)?;
        self.place(bucket, key)
    }

    pub(super) async fn fetch_source(
        &self,
        source: &Location,
        range: Option<ByteRange>,
        conditions: &SourceConditions<'_>,
    ) -> S3Result<Fetched> {
        let fetched = self.pipeline.storage.fetch(&source.store, &source.key, range, self.soon()).await;
        let fetched = fetched.map_err(|fault| error_of(&fault))?;
        if conditions.hold(&fetched.meta) { Ok(fetched) } else { Err(s3_error!(PreconditionFailed)) }
    }

    /// Whether a body may be that long. One whose length nobody knows could go on for ever.
    pub(super) fn check_length(&self, length: Option<u64>) -> S3Result<()> {
        match length {
            Some(length) if length <= self.limits.bytes => Ok(()),
            Some(_) => Err(s3_error!(EntityTooLarge)),
            None => Err(s3_error!(NotImplemented, "the source does not tell its length")),
        }
    }
}

/// The condition on what is there already; the library reads only those on the source.
fn condition_of_target(headers: &HeaderMap) -> S3Result<PutCondition> {
    match (headers.get(IF_MATCH), headers.get(IF_NONE_MATCH).map(HeaderValue::as_bytes)) {
        (None, None) => Ok(PutCondition::None),
        (None, Some(b"*")) => Ok(PutCondition::IfAbsent),
        _ => Err(s3_error!(NotImplemented, "of a copy's target only If-None-Match: * is supported")),
    }
}

impl<'a> SourceConditions<'a> {
    fn of(input: &'a CopyObjectInput) -> Self {
        Self {
            if_match: input.copy_source_if_match.as_ref(),
            if_none_match: input.copy_source_if_none_match.as_ref(),
            if_modified_since: input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        }
    }

    /// A validator outweighs the date that stands beside it.
    fn hold(&self, meta: &ObjectMeta) -> bool {
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(tag) => meta.etag.as_ref().is_some_and(|own| own.opaque() == tag.value()),
        };
        let modified = meta.last_modified.map(Timestamp::from);
        let changed_since = |date: &Timestamp| modified.as_ref().is_some_and(|modified| modified > date);
        let unchanged = match self.if_match {
            Some(condition) => is(condition),
            None => !self.if_unmodified_since.is_some_and(changed_since),
        };
        let changed = match self.if_none_match {
            Some(condition) => !is(condition),
            None => self.if_modified_since.is_none_or(changed_since),
        };
        unchanged && changed
    }
}

use mortar_actors::storage::PutCondition;
use mortar_actors::{Fault, FaultKind, ObjectMeta};
use rusoto_s3::{
    AbortMultipartUploadRequest, CompleteMultipartUploadRequest, CompletedMultipartUpload, CompletedPart,
    CreateMultipartUploadRequest, S3, UploadPartRequest,
};
use tokio::task::JoinSet;

use super::{Gather, Part, conditional, placeholder, unmet_if_absent};
use crate::adapters::s3::S3Store;
use crate::adapters::s3::exchange::Manner;
use crate::adapters::s3::meta::Travelling;

/// Parts of one object at most; S3's own limit.
const MAX_PARTS: i64 = 10_000;

/// An upload that was begun at the store. Dropped before its end it is aborted, so that the store does not keep its
/// parts.
struct Upload {
    store: S3Store,
    key: String,
    id: String,
    is_over: bool,
}

/// The parts that are on their way; dropped with the upload, they are broken off.
struct Parts {
    running: JoinSet<Result<CompletedPart, Fault>>,
    done: Vec<CompletedPart>,
    length: u64,
}

impl S3Store {
    /// Writes a body in parts and tells its validator and its length.
    pub(super) async fn put_parts(
        &self,
        key: String,
        meta: &ObjectMeta,
        first: Part,
        mut source: Gather,
        condition: &PutCondition,
    ) -> Result<(Option<String>, u64), Fault> {
        let upload = self.begin(key, meta).await?;
        let mut parts = Parts { running: JoinSet::new(), done: Vec::new(), length: 0 };
        parts.send(&upload, 1, first);
        for number in 2.. {
            if source.is_at_end().await? {
                break;
            }
            if number > MAX_PARTS {
                return Err(Fault::new(FaultKind::TooLarge, "the object has more parts than the store allows"));
            }
            while parts.running.len() >= self.uploads.parts_in_flight {
                parts.wait_for_one().await?;
            }
            let place = self.uploads.place().await?;
            parts.send(&upload, number, source.part(Some(place)).await?);
        }
        while !parts.running.is_empty() {
            parts.wait_for_one().await?;
        }
        let length = parts.length;
        let tag = upload.complete(parts.done, condition).await?;
        Ok((tag, length))
    }

    async fn begin(&self, key: String, meta: &ObjectMeta) -> Result<Upload, Fault> {
        let travelling = Travelling::of(meta);
        let request = CreateMultipartUploadRequest {
            bucket: self.endpoint.bucket.clone(),
            key: key.clone(),
            content_type: meta.content_type.clone(),
            cache_control: travelling.cache_control,
            content_disposition: travelling.content_disposition,
            content_encoding: travelling.content_encoding,
            content_language: travelling.content_language,
            expires: travelling.expires,
            metadata: Some(travelling.user),
            ..CreateMultipartUploadRequest::default()
        };
        let answer = self.ask(Manner::once(), |s3| async move { s3.create_multipart_upload(request).await }).await;
        let id = unmet_if_absent(answer, &PutCondition::None)?.upload_id;
        let id = id.ok_or_else(|| Fault::new(FaultKind::Upstream, "the store began an upload without a name"))?;
        Ok(Upload { store: self.clone(), key, id, is_over: false })
    }

    async fn put_part(self, key: String, id: String, number: i64, part: Part) -> Result<CompletedPart, Fault> {
        let request = UploadPartRequest {
            bucket: self.endpoint.bucket.clone(),
            key,
            upload_id: id,
            part_number: number,
            body: Some(placeholder(part.length)),
            ..UploadPartRequest::default()
        };
        let manner = Manner::repeatable().carrying(part.chunks.clone());
        let answer = self.ask(manner, |s3| async move { s3.upload_part(request).await }).await?;
        drop(part);
        Ok(CompletedPart { e_tag: answer.e_tag, part_number: Some(number) })
    }
}

impl Parts {
    fn send(&mut self, upload: &Upload, number: i64, part: Part) {
        self.length += part.length as u64;
        let put = upload.store.clone().put_part(upload.key.clone(), upload.id.clone(), number, part);
        self.running.spawn(put);
    }

    async fn wait_for_one(&mut self) -> Result<(), Fault> {
        match self.running.join_next().await {
            Some(Ok(part)) => self.done.push(part?),
            Some(Err(error)) => {
                return Err(Fault::new(FaultKind::Panicked, "sending a part panicked").caused_by(error));
            }
            None => {}
        }
        Ok(())
    }
}

impl Upload {
    /// Makes the parts one object, which is then visible.
    async fn complete(
        mut self,
        mut parts: Vec<CompletedPart>,
        condition: &PutCondition,
    ) -> Result<Option<String>, Fault> {
        parts.sort_by_key(|part| part.part_number);
        let request = CompleteMultipartUploadRequest {
            bucket: self.store.endpoint.bucket.clone(),
            key: self.key.clone(),
            upload_id: self.id.clone(),
            multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts) }),
            ..CompleteMultipartUploadRequest::default()
        };
        let manner = conditional(Manner::once(), condition)?;
        let answer = self.store.ask(manner, |s3| async move { s3.complete_multipart_upload(request).await }).await;
        let answer = unmet_if_absent(answer, condition)?;
        if answer.e_tag.is_none() {
            return Err(Fault::new(FaultKind::Upstream, "the store did not confirm the upload"));
        }
        self.is_over = true;
        Ok(answer.e_tag)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (store, key) = (self.store.clone(), self.key.clone());
        let request = AbortMultipartUploadRequest {
            bucket: store.endpoint.bucket.clone(),
            key: key.clone(),
            upload_id: std::mem::take(&mut self.id),
            ..AbortMultipartUploadRequest::default()
        };
        // Bounded by the time-outs and attempts of one exchange; without a runtime there is nobody left to tell the store.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let abort = |s3: rusoto_s3::S3Client| async move { s3.abort_multipart_upload(request).await };
            match store.ask(Manner::repeatable(), abort).await {
                Err(fault) if !fault.is_not_found() => {
                    tracing::warn!(%key, %fault, "a broken upload could not be aborted; the store may keep its parts");
                }
                _ => {}
            }
        });
    }
}

//! An S3 bucket in memory, with the rules of S3 about keys, conditions, parts and listings, and nothing besides.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures::{TryStreamExt, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use xxhash_rust::xxh3::xxh3_128;

#[derive(Default)]
pub(super) struct Memory {
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Stored>,
    uploads: BTreeMap<String, Pending>,
}

#[derive(Clone)]
struct Stored {
    body: Bytes,
    tag: String,
    written: SystemTime,
    about: About,
}

/// What travels with an object.
#[derive(Clone, Default)]
struct About {
    content_type: Option<String>,
    cache_control: Option<String>,
    content_disposition: Option<String>,
    metadata: Option<Metadata>,
}

struct Pending {
    key: String,
    about: About,
    parts: BTreeMap<i32, Bytes>,
}

impl Memory {
    pub(super) fn with_bucket(name: &str) -> Self {
        Self { buckets: Mutex::new(BTreeMap::from([(name.to_owned(), Bucket::default())])) }
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap()
    }

    fn stored(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        let buckets = self.buckets();
        let bucket = buckets.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        bucket.objects.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }
}

impl Bucket {
    fn check(&self, key: &str, matching: Option<&ETagCondition>, none: Option<&ETagCondition>) -> S3Result<()> {
        let present = self.objects.get(key);
        if none.is_some() && present.is_some() {
            return Err(s3_error!(PreconditionFailed));
        }
        match (matching, present) {
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(ETagCondition::ETag(tag)), Some(stored)) if tag.value() != stored.tag => {
                Err(s3_error!(PreconditionFailed))
            }
            _ => Ok(()),
        }
    }

    fn keep(&mut self, key: String, body: Bytes, about: About) -> ETag {
        let tag = format!("{:032x}", xxh3_128(&body));
        self.objects.insert(key, Stored { body, tag: tag.clone(), written: SystemTime::now(), about });
        ETag::Strong(tag)
    }
}

async fn read(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut whole = BytesMut::new();
    let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    while let Some(chunk) = body.try_next().await.map_err(|_| s3_error!(IncompleteBody))? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn pieces(body: &Bytes) -> StreamingBlob {
    let pieces: Vec<_> = body.chunks(64 * 1024).map(|piece| Ok::<_, std::io::Error>(body.slice_ref(piece))).collect();
    StreamingBlob::wrap(stream::iter(pieces))
}

#[async_trait::async_trait]
impl S3 for Memory {
    async fn head_bucket(&self, asked: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        match self.buckets().contains_key(&asked.input.bucket) {
            true => Ok(S3Response::new(HeadBucketOutput::default())),
            false => Err(s3_error!(NoSuchBucket)),
        }
    }

    async fn get_object(&self, asked: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let stored = self.stored(&asked.input.bucket, &asked.input.key)?;
        let total = stored.body.len() as u64;
        let part = asked.input.range.map(|range| range.check(total)).transpose()?;
        let body = match &part {
            Some(part) => stored.body.slice(part.start as usize..part.end as usize),
            None => stored.body,
        };
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(body.len() as i64),
            content_range: part.map(|part| format!("bytes {}-{}/{total}", part.start, part.end - 1)),
            body: Some(pieces(&body)),
            e_tag: Some(ETag::Strong(stored.tag)),
            last_modified: Some(stored.written.into()),
            content_type: stored.about.content_type,
            cache_control: stored.about.cache_control,
            content_disposition: stored.about.content_disposition,
            metadata: stored.about.metadata,
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, asked: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let stored = self.stored(&asked.input.bucket, &asked.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(stored.body.len() as i64),
            e_tag: Some(ETag::Strong(stored.tag)),
            last_modified: Some(stored.written.into()),
            content_type: stored.about.content_type,
            cache_control: stored.about.cache_control,
            content_disposition: stored.about.content_disposition,
            metadata: stored.about.metadata,
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(&self, asked: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let asked = asked.input;
        let body = read(asked.body).await?;
        if asked.content_length.is_some_and(|length| length != body.len() as i64) {
            return Err(s3_error!(IncompleteBody));
        }
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(&asked.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        bucket.check(&asked.key, asked.if_match.as_ref(), asked.if_none_match.as_ref())?;
        let about = About {
            content_type: asked.content_type,
            cache_control: asked.cache_control,
            content_disposition: asked.content_disposition,
            metadata: asked.metadata,
        };
        let tag = bucket.keep(asked.key, body, about);
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(tag), ..PutObjectOutput::default() }))
    }

    async fn delete_object(&self, asked: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(&asked.input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        bucket.objects.remove(&asked.input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        asked: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let asked = asked.input;
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(&asked.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let id = format!("upload-{}", rand::random::<u64>());
        let about = About {
            content_type: asked.content_type,
            cache_control: asked.cache_control,
            content_disposition: asked.content_disposition,
            metadata: asked.metadata,
        };
        bucket.uploads.insert(id.clone(), Pending { key: asked.key, about, parts: BTreeMap::new() });
        Ok(S3Response::new(CreateMultipartUploadOutput {
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, asked: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let asked = asked.input;
        let body = read(asked.body).await?;
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(&asked.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let upload = bucket.uploads.get_mut(&asked.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let tag = ETag::Strong(format!("{:032x}", xxh3_128(&body)));
        upload.parts.insert(asked.part_number, body);
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(tag), ..UploadPartOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        asked: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let asked = asked.input;
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(&asked.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        bucket.check(&asked.key, asked.if_match.as_ref(), asked.if_none_match.as_ref())?;
        let upload = bucket.uploads.remove(&asked.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let named = asked.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let mut whole = BytesMut::new();
        for (index, part) in named.iter().enumerate() {
            let number = part.part_number.filter(|number| *number == index as i32 + 1);
            let body = number.and_then(|number| upload.parts.get(&number)).ok_or_else(|| s3_error!(InvalidPart))?;
            if body.len() < 5 << 20 && index + 1 < named.len() {
                return Err(s3_error!(EntityTooSmall));
            }
            whole.extend_from_slice(body);
        }
        let tag = bucket.keep(upload.key, whole.freeze(), upload.about);
        let output = CompleteMultipartUploadOutput { e_tag: Some(tag), ..CompleteMultipartUploadOutput::default() };
        Ok(S3Response::new(output))
    }

    async fn abort_multipart_upload(
        &self,
        asked: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(&asked.input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        bucket.uploads.remove(&asked.input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_multipart_uploads(
        &self,
        asked: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let buckets = self.buckets();
        let bucket = buckets.get(&asked.input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let uploads = bucket.uploads.iter().map(|(id, pending)| MultipartUpload {
            upload_id: Some(id.clone()),
            key: Some(pending.key.clone()),
            ..MultipartUpload::default()
        });
        let output =
            ListMultipartUploadsOutput { uploads: Some(uploads.collect()), ..ListMultipartUploadsOutput::default() };
        Ok(S3Response::new(output))
    }

    /// A start lies among keys, as in S3: behind `a/` come the keys of the common prefix `a/`, which is told again.
    async fn list_objects_v2(&self, asked: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let asked = asked.input;
        let buckets = self.buckets();
        let bucket = buckets.get(&asked.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let encode = |text: &str| match asked.encoding_type {
            Some(_) => utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
            None => text.to_owned(),
        };
        let prefix = asked.prefix.as_deref().unwrap_or_default();
        let passed = asked.continuation_token.as_deref().or(asked.start_after.as_deref()).unwrap_or_default();
        let (mut contents, mut common, mut last) = (Vec::new(), Vec::<String>::new(), String::new());
        let mut is_truncated = false;
        for (key, stored) in bucket.objects.range(passed.to_owned()..) {
            let Some(rest) = key.strip_prefix(prefix).filter(|_| key.as_str() > passed) else { continue };
            let end =
                asked.delimiter.as_deref().and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
            let rolled_up = end.map(|end| &key[..prefix.len() + end]);
            if rolled_up.is_some_and(|rolled_up| common.last().is_some_and(|told| told == rolled_up)) {
                last.clone_from(key);
                continue;
            }
            if contents.len() + common.len() >= asked.max_keys.unwrap_or(1000) as usize {
                is_truncated = true;
                break;
            }
            last.clone_from(key);
            match rolled_up {
                Some(rolled_up) => common.push(rolled_up.to_owned()),
                None => contents.push(Object {
                    key: Some(encode(key)),
                    size: Some(stored.body.len() as i64),
                    e_tag: Some(ETag::Strong(stored.tag.clone())),
                    last_modified: Some(stored.written.into()),
                    ..Object::default()
                }),
            }
        }
        let common = common.iter().map(|prefix| CommonPrefix { prefix: Some(encode(prefix)) });
        Ok(S3Response::new(ListObjectsV2Output {
            common_prefixes: Some(common.collect()),
            contents: Some(contents),
            is_truncated: Some(is_truncated),
            next_continuation_token: is_truncated.then_some(last),
            encoding_type: asked.encoding_type,
            ..ListObjectsV2Output::default()
        }))
    }
}

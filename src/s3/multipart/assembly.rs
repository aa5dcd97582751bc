//! Making an object of its parts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use mortar_actors::{Body, ByteStream, Deadline, EntityTag, Fault, FaultKind, ObjectMeta};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::*;
use s3s::{S3Response, S3Result, s3_error};

use super::MAX_PARTS;
use super::completion::Completion;
use super::ledger::{ArrivedPart, Ledger, UploadId};
use crate::s3::codes::error_of;
use crate::s3::object_headers::condition;
use crate::s3::operations::{Operations, to_its_end};
use crate::s3::upload::{decode_hex, hex};

/// Least bytes of every part but the last.
const MIN_PART_BYTES: u64 = 5 << 20;

/// How long the answer is held back. After that its head is sent, and spaces until the object is made, so that nobody
/// between takes the silence for an end.
const HELD_BACK: Duration = Duration::from_secs(5);

impl Operations {
    pub(in crate::s3) async fn complete_upload(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { bucket, key, .. } = input;
        let place = self.place(&bucket, &key)?;
        let condition = condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let ledger = self.ledger(&bucket)?;
        let id = UploadId::parse(&input.upload_id)?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let asked = Completion::asked(&key, &named);
        let (meta, parts) = match self.prepare(&ledger, &id, &key, &named).await {
            Ok(prepared) => prepared,
            Err(error) => {
                let before = asked.or_before(&ledger, &id, error).await?;
                return Ok(S3Response::new(answer(bucket, key, before)));
            }
        };
        let deadline = self.in_time_for_a_body();
        let body = Body::Stream(ByteStream::new(meta.length, joined(ledger.clone(), parts, deadline)));

        let pipeline = Arc::clone(&self.pipeline);
        let made = to_its_end(async move {
            let stored = pipeline.put_original(&bucket, &place, meta, body, condition, deadline).await;
            let completion = match stored {
                Ok(stored) => {
                    let completion = asked.answered(stored.etag.map(|tag| tag.opaque().to_owned()));
                    ledger.complete(&id, &completion).await;
                    completion
                }
                // The same request may have been under way twice.
                Err(fault) => asked.or_before(&ledger, &id, error_of(&fault)).await?,
            };
            Ok(answer(bucket, key, completion))
        });
        let mut made = made.boxed();
        match tokio::time::timeout(HELD_BACK, &mut made).await {
            Ok(made) => made.map(S3Response::new),
            Err(_) => Ok(S3Response::new(CompleteMultipartUploadOutput {
                future: Some(made),
                ..CompleteMultipartUploadOutput::default()
            })),
        }
    }

    /// What the object is to be, and the parts to make it of.
    async fn prepare(
        &self,
        ledger: &Ledger,
        id: &UploadId,
        key: &str,
        named: &[CompletedPart],
    ) -> S3Result<(ObjectMeta, Vec<ArrivedPart>)> {
        let entry = ledger.entry(id, key).await?;
        let parts = choose(named, ledger.arrived(id).await?)?;
        let length = parts.iter().filter_map(|part| part.meta.length).sum();
        self.check_length(Some(length))?;
        let meta = ObjectMeta { length: Some(length), etag: etag_over(&parts), ..entry.into_meta() };
        Ok((meta, parts))
    }
}

fn answer(bucket: String, key: String, completion: Completion) -> CompleteMultipartUploadOutput {
    CompleteMultipartUploadOutput {
        location: Some(format!("/{bucket}/{key}")),
        e_tag: completion.into_etag().map(ETag::Strong),
        bucket: Some(bucket),
        key: Some(key),
        ..CompleteMultipartUploadOutput::default()
    }
}

/// The parts that a client names, as they arrived.
fn choose(named: &[CompletedPart], arrived: Vec<ArrivedPart>) -> S3Result<Vec<ArrivedPart>> {
    if named.is_empty() || named.len() > MAX_PARTS as usize {
        return Err(s3_error!(MalformedXML, "an upload has one to {MAX_PARTS} parts"));
    }
    let mut arrived: HashMap<i32, ArrivedPart> = arrived.into_iter().map(|part| (part.number, part)).collect();
    let mut chosen: Vec<ArrivedPart> = Vec::with_capacity(named.len());
    for part in named {
        let number = part.part_number.unwrap_or_default();
        if chosen.last().is_some_and(|before| before.number >= number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        if chosen.last().is_some_and(|before| before.meta.length.is_some_and(|length| length < MIN_PART_BYTES)) {
            return Err(s3_error!(EntityTooSmall));
        }
        let same = |arrived: &ArrivedPart| {
            let named = part.e_tag.as_ref().map(|tag| EntityTag::new(tag.value()));
            arrived.meta.length.is_some() && named.is_some() && arrived.meta.etag == named
        };
        let part = arrived.remove(&number).filter(same);
        chosen.push(part.ok_or_else(|| s3_error!(InvalidPart, "part {number} is not there, or is another one"))?);
    }
    Ok(chosen)
}

/// The validator that S3 gives to such an object: a hash over those of its parts, and their number. `None` when the store
/// has validators of another kind.
fn etag_over(parts: &[ArrivedPart]) -> Option<EntityTag> {
    let mut hasher = Md5::new();
    for part in parts {
        let mut digest = [0; 16];
        decode_hex(part.meta.etag.as_ref()?.opaque(), &mut digest)?;
        hasher.update(&digest);
    }
    Some(EntityTag::new(&format!("{}-{}", hex(&hasher.finalize()), parts.len())))
}

/// The bodies of the parts, one after the other; each is opened when the one before it has been read.
fn joined(
    ledger: Ledger,
    parts: Vec<ArrivedPart>,
    deadline: Deadline,
) -> impl futures::Stream<Item = Result<bytes::Bytes, Fault>> + Send {
    let bodies = stream::iter(parts).then(move |part| {
        let ledger = ledger.clone();
        async move {
            let fetched = ledger.storage.fetch(&ledger.store, &part.key, None, deadline).await?;
            if fetched.meta.etag != part.meta.etag {
                return Err(Fault::new(FaultKind::Invalid, "a part was replaced while the object was made"));
            }
            Ok(chunks(fetched.body))
        }
    });
    bodies.try_flatten()
}

fn chunks(body: Body) -> stream::BoxStream<'static, Result<bytes::Bytes, Fault>> {
    match body {
        Body::Empty => stream::empty().boxed(),
        Body::Bytes(bytes) => stream::once(async { Ok(bytes) }).boxed(),
        Body::Stream(stream) => stream.into_chunks(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn arrived(number: i32, length: u64, tag: &str) -> ArrivedPart {
        let meta = ObjectMeta { length: Some(length), etag: Some(EntityTag::new(tag)), ..ObjectMeta::default() };
        ArrivedPart { number, key: UploadId::random().part(number), meta }
    }

    fn code_of(named: &[(i32, &str)]) -> Option<String> {
        let named: Vec<_> = named
            .iter()
            .map(|(number, tag)| CompletedPart {
                part_number: Some(*number),
                e_tag: Some(ETag::Strong((*tag).to_owned())),
                ..CompletedPart::default()
            })
            .collect();
        let there = vec![arrived(1, 5 * MIB, "a"), arrived(2, MIB, "b"), arrived(3, 5 * MIB, "c")];
        choose(&named, there).err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn parts_are_named_in_order_once_and_as_they_arrived() {
        assert_eq!(code_of(&[(1, "a"), (2, "b")]), None);
        assert_eq!(code_of(&[(1, "a"), (3, "c")]), None);
        assert_eq!(code_of(&[]).as_deref(), Some("MalformedXML"));
        assert_eq!(code_of(&[(3, "c"), (1, "a")]).as_deref(), Some("InvalidPartOrder"));
        assert_eq!(code_of(&[(1, "a"), (1, "a")]).as_deref(), Some("InvalidPartOrder"));
        assert_eq!(code_of(&[(1, "b")]).as_deref(), Some("InvalidPart"));
        assert_eq!(code_of(&[(4, "d")]).as_deref(), Some("InvalidPart"));
        assert_eq!(code_of(&[(1, "a"), (2, "b"), (3, "c")]).as_deref(), Some("EntityTooSmall"));
    }

    #[test]
    fn the_validator_is_the_one_that_s3_makes() {
        let hello = "5d41402abc4b2a76b9719d911017c592";
        let two = [arrived(1, 5, hello), arrived(2, 5, hello)];
        assert_eq!(etag_over(&two).unwrap().opaque(), "616b22817b80eed9f65c3aa38cd29054-2");
        assert_eq!(etag_over(&[arrived(1, 5, "18b-5")]), None);
    }
}

//! Listing objects: both versions of the protocol, over the pages of the store.

use std::borrow::Cow;

use mortar_actors::storage::{ListPage, ListRequest, Listed};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3Response, S3Result, s3_error};

use super::codes::error_of;
use super::operations::{Operations, etag_of};
use crate::domain::is_reserved;

/// Most entries of one answer.
const MAX_KEYS: i32 = 1000;

/// The largest text that begins as reserved keys do: what comes after it in the order may be told.
const LAST_RESERVED: &str = ".mortar/\u{10FFFF}";

/// What `encoding-type=url` leaves as it is.
const LEFT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// What both versions ask for.
struct Asked<'a> {
    bucket: &'a str,
    prefix: Option<&'a str>,
    delimiter: Option<&'a str>,
    start_after: Option<&'a str>,
    max_keys: i32,
}

/// How texts are written into an answer.
struct Writing(bool);

impl Operations {
    pub(super) async fn list(&self, input: ListObjectsInput) -> S3Result<S3Response<ListObjectsOutput>> {
        let writing = Writing::of(input.encoding_type.as_ref())?;
        let max_keys = max_keys(input.max_keys)?;
        let asked = Asked {
            bucket: &input.bucket,
            prefix: input.prefix.as_deref(),
            delimiter: input.delimiter.as_deref(),
            start_after: input.marker.as_deref(),
            max_keys,
        };
        let page = self.page(&asked).await?;
        Ok(S3Response::new(ListObjectsOutput {
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.as_deref().map(|next| writing.text(next)),
            contents: Some(page.objects.iter().map(|object| writing.object(object)).collect()),
            common_prefixes: Some(page.prefixes.iter().map(|prefix| writing.prefix(prefix)).collect()),
            prefix: Some(writing.text(input.prefix.as_deref().unwrap_or_default())),
            marker: Some(writing.text(input.marker.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(|delimiter| writing.text(delimiter)),
            max_keys: Some(max_keys),
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..ListObjectsOutput::default()
        }))
    }

    pub(super) async fn list_v2(&self, input: ListObjectsV2Input) -> S3Result<S3Response<ListObjectsV2Output>> {
        let writing = Writing::of(input.encoding_type.as_ref())?;
        let max_keys = max_keys(input.max_keys)?;
        let continued = input.continuation_token.as_deref().map(read_token).transpose()?;
        let asked = Asked {
            bucket: &input.bucket,
            prefix: input.prefix.as_deref(),
            delimiter: input.delimiter.as_deref(),
            start_after: continued.as_deref().or(input.start_after.as_deref()),
            max_keys,
        };
        let page = self.page(&asked).await?;
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|next| base64_simd::URL_SAFE_NO_PAD.encode_to_string(next)),
            contents: Some(page.objects.iter().map(|object| writing.object(object)).collect()),
            common_prefixes: Some(page.prefixes.iter().map(|prefix| writing.prefix(prefix)).collect()),
            prefix: Some(writing.text(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(|delimiter| writing.text(delimiter)),
            start_after: input.start_after.as_deref().map(|start| writing.text(start)),
            continuation_token: input.continuation_token,
            max_keys: Some(max_keys),
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..ListObjectsV2Output::default()
        }))
    }

    /// One page. Reserved keys are left out, and never end a page early.
    async fn page(&self, asked: &Asked<'_>) -> S3Result<ListPage> {
        let store = self.originals(asked.bucket)?;
        let mut page = ListPage::default();
        let Some(wanted) = usize::try_from(asked.max_keys).ok().filter(|wanted| *wanted > 0) else { return Ok(page) };
        let mut start_after = asked.start_after.map(str::to_owned);
        loop {
            let request = ListRequest {
                prefix: asked.prefix.unwrap_or_default().to_owned(),
                delimiter: asked.delimiter.filter(|delimiter| !delimiter.is_empty()).map(str::to_owned),
                start_after: start_after.take(),
                max_keys: wanted - page.objects.len() - page.prefixes.len(),
            };
            let found = self.pipeline.storage.list(&store, request, self.soon()).await;
            let found = found.map_err(|fault| error_of(&fault))?;
            page.objects.extend(found.objects.into_iter().filter(|object| !is_reserved(object.key.as_str())));
            page.prefixes.extend(found.prefixes.into_iter().filter(|prefix| !is_reserved(prefix)));
            let full = page.objects.len() + page.prefixes.len() >= wanted;
            start_after = match found.next {
                Some(next) if is_reserved(&next) => Some(LAST_RESERVED.to_owned()),
                next => next,
            };
            if full || start_after.is_none() {
                return Ok(ListPage { next: start_after, ..page });
            }
        }
    }
}

impl Writing {
    fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None | Some("") => Ok(Self(false)),
            Some(EncodingType::URL) => Ok(Self(true)),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    fn text(&self, text: &str) -> String {
        let written = if self.0 { Cow::from(utf8_percent_encode(text, LEFT)) } else { Cow::Borrowed(text) };
        written.into_owned()
    }

    fn prefix(&self, prefix: &str) -> CommonPrefix {
        CommonPrefix { prefix: Some(self.text(prefix)) }
    }

    fn object(&self, object: &Listed) -> Object {
        Object {
            key: Some(self.text(object.key.as_str())),
            e_tag: etag_of(&object.meta),
            last_modified: object.meta.last_modified.map(Timestamp::from),
            size: object.meta.length.and_then(|length| i64::try_from(length).ok()),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Object::default()
        }
    }
}

fn max_keys(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(MAX_KEYS) {
        negative @ ..0 => Err(s3_error!(InvalidArgument, "max-keys is {negative}, which is less than nothing")),
        count => Ok(count.min(MAX_KEYS)),
    }
}

fn read_token(token: &str) -> S3Result<String> {
    let decoded = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

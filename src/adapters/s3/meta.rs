//! Between S3's headers and the metadata of an object.

use std::collections::HashMap;
use std::io;

use futures::TryStreamExt;
use mortar_actors::{Body, ByteRange, ByteStream, ContentRange, EntityTag, Fault, FaultKind, Fetched, ObjectMeta};
use rusoto_s3::{GetObjectOutput, HeadObjectOutput};

/// What stands before the name of a header that a user has made up.
pub(super) const USER_PREFIX: &str = "x-amz-meta-";

/// The range as a header's value.
pub(super) fn range_header(range: ByteRange) -> String {
    match range {
        // Many endpoints count in signed numbers.
        ByteRange::Between(first, last) if last <= i64::MAX as u64 => format!("bytes={first}-{last}"),
        ByteRange::Between(first, _) | ByteRange::From(first) => format!("bytes={first}-"),
        ByteRange::Last(length) => format!("bytes=-{length}"),
    }
}

/// Whether the range lies outside of every object. Endpoints take such a header for no range at all.
pub(super) fn is_nowhere(range: ByteRange) -> bool {
    range.within(u64::MAX).is_none()
}

/// The object in an answer to GET.
pub(super) fn fetched(mut answer: GetObjectOutput, range: Option<ByteRange>) -> Result<Fetched, Fault> {
    let part = answer.content_range.as_deref().map(|text| content_range(text).ok_or_else(broken)).transpose()?;
    if range.is_some() && part.is_none() {
        return Err(Fault::new(FaultKind::Upstream, "the store did not answer with the asked part"));
    }
    let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
    let body = match answer.body.take() {
        Some(chunks) => Body::Stream(ByteStream::new(length, chunks.map_err(of_stream))),
        None => Body::Empty,
    };
    let meta = ObjectMeta {
        length: part.map(|part| part.total).or(length),
        content_type: answer.content_type,
        etag: answer.e_tag.as_deref().and_then(tag),
        last_modified: answer.last_modified.as_deref().and_then(|date| httpdate::parse_http_date(date).ok()),
        headers: headers(
            [
                ("cache-control", answer.cache_control),
                ("content-disposition", answer.content_disposition),
                ("content-encoding", answer.content_encoding),
                ("content-language", answer.content_language),
                ("expires", answer.expires),
            ],
            answer.metadata,
        ),
    };
    Ok(Fetched { meta, part, body })
}

/// The object that an answer to HEAD tells of.
pub(super) fn of_head(answer: HeadObjectOutput) -> ObjectMeta {
    ObjectMeta {
        length: answer.content_length.and_then(|length| u64::try_from(length).ok()),
        content_type: answer.content_type,
        etag: answer.e_tag.as_deref().and_then(tag),
        last_modified: answer.last_modified.as_deref().and_then(|date| httpdate::parse_http_date(date).ok()),
        headers: headers(
            [
                ("cache-control", answer.cache_control),
                ("content-disposition", answer.content_disposition),
                ("content-encoding", answer.content_encoding),
                ("content-language", answer.content_language),
                ("expires", answer.expires),
            ],
            answer.metadata,
        ),
    }
}

/// A validator, unless there is nothing between the quotes.
pub(super) fn tag(text: &str) -> Option<EntityTag> {
    Some(EntityTag::new(text)).filter(|tag| !tag.opaque().is_empty())
}

/// The headers that travel with an object, split as S3 wants them: those it knows, and those a user made up.
#[derive(Debug, Default)]
pub(super) struct Travelling {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) expires: Option<String>,
    /// Without their prefix.
    pub(super) user: HashMap<String, String>,
}

impl Travelling {
    /// Takes what S3 can keep of the metadata of an object.
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        let take = |name: &str| meta.headers.get(name).cloned();
        let user = meta.headers.iter().filter_map(|(name, value)| Some((name.strip_prefix(USER_PREFIX)?, value)));
        Self {
            cache_control: take("cache-control"),
            content_disposition: take("content-disposition"),
            content_encoding: take("content-encoding"),
            content_language: take("content-language"),
            expires: take("expires"),
            user: user.map(|(name, value)| (name.to_owned(), value.clone())).collect(),
        }
    }
}

fn headers<const N: usize>(
    known: [(&str, Option<String>); N],
    user: Option<HashMap<String, String>>,
) -> std::collections::BTreeMap<String, String> {
    let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let user = user.into_iter().flatten().map(|(name, value)| (format!("{USER_PREFIX}{name}"), value));
    known.chain(user).collect()
}

/// `bytes FIRST-LAST/TOTAL`.
fn content_range(text: &str) -> Option<ContentRange> {
    let (span, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let range = ContentRange { first: first.parse().ok()?, last: last.parse().ok()?, total: total.parse().ok()? };
    (range.first <= range.last && range.last < range.total).then_some(range)
}

fn broken() -> Fault {
    Fault::new(FaultKind::Upstream, "the store's answer does not tell which part it is")
}

/// The fault that travelled through rusoto's stream.
fn of_stream(error: io::Error) -> Fault {
    match error.downcast::<Fault>() {
        Ok(fault) => fault,
        Err(error) => Fault::new(FaultKind::Upstream, "the store broke off in the body").caused_by(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_and_read() {
        assert_eq!(range_header(ByteRange::Between(2, 5)), "bytes=2-5");
        assert_eq!(range_header(ByteRange::From(7)), "bytes=7-");
        assert_eq!(range_header(ByteRange::Last(9)), "bytes=-9");
        assert_eq!(content_range("bytes 2-5/10"), Some(ContentRange { first: 2, last: 5, total: 10 }));
        for broken in ["", "bytes */10", "bytes 5-2/10", "bytes 2-10/10", "bytes 2-5/*", "2-5/10", "bytes a-b/c"] {
            assert_eq!(content_range(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_range_of_nothing_is_nowhere() {
        assert!(is_nowhere(ByteRange::Last(0)) && is_nowhere(ByteRange::Between(3, 2)));
        assert!(!is_nowhere(ByteRange::Last(1)) && !is_nowhere(ByteRange::Between(2, 2)));
    }
}

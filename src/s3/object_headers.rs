//! What the head of an upload says of its object.

use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES, HeaderMap,
    HeaderName, HeaderValue,
};
use mortar_actors::storage::PutCondition;
use mortar_actors::{EntityTag, ObjectMeta};
use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};

/// Headers that are kept with an object, besides its media type.
const KEPT: [HeaderName; 5] = [CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, EXPIRES];

/// What headers of one's own begin with.
const OWN: &str = "x-amz-meta-";

/// Most bytes of names and values of one's own headers.
const MAX_OWN_BYTES: usize = 2048;

/// The metadata that `headers` give to an object.
///
/// # Errors
/// `MetadataTooLarge`, `NotImplemented` for encryption, which is not to be left out unnoticed.
pub(super) fn meta_of(headers: &HeaderMap) -> S3Result<ObjectMeta> {
    if headers.keys().any(|name| name.as_str().starts_with("x-amz-server-side-encryption")) {
        return Err(s3_error!(NotImplemented, "server-side encryption is not supported"));
    }
    let mut meta = ObjectMeta { content_type: text(headers.get(CONTENT_TYPE)), ..ObjectMeta::default() };
    for name in KEPT {
        let value = text(headers.get(&name)).filter(|_| name != CONTENT_ENCODING).or_else(|| encoding(headers, &name));
        meta.headers.extend(value.map(|value| (name.as_str().to_owned(), value)));
    }
    let mut own_bytes = 0;
    for name in headers.keys().filter(|name| name.as_str().starts_with(OWN)) {
        let values: Vec<String> = headers.get_all(name).iter().filter_map(|value| text(Some(value))).collect();
        let value = values.join(",");
        own_bytes += name.as_str().len() - OWN.len() + value.len();
        meta.headers.insert(name.as_str().to_owned(), value);
    }
    if own_bytes > MAX_OWN_BYTES {
        return Err(s3_error!(MetadataTooLarge));
    }
    Ok(meta)
}

/// The condition under which an object is to be written.
///
/// # Errors
/// `NotImplemented` for conditions that S3 does not know for writes.
pub(super) fn condition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<PutCondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(PutCondition::None),
        (None, Some(ETagCondition::Any)) => Ok(PutCondition::IfAbsent),
        (Some(ETagCondition::ETag(tag)), None) => Ok(PutCondition::IfMatch(EntityTag::new(tag.value()))),
        _ => Err(s3_error!(NotImplemented, "writes know If-None-Match: * and If-Match with one ETag")),
    }
}

/// The content encoding without that of the transfer, which is gone.
fn encoding(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = text(headers.get(name))?;
    let kept: Vec<&str> =
        value.split(',').map(str::trim).filter(|coding| !coding.is_empty() && *coding != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

fn text(value: Option<&HeaderValue>) -> Option<String> {
    let text = std::str::from_utf8(value?.as_bytes()).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use s3s::dto::ETag;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn what_describes_the_object_is_kept_and_what_describes_the_request_is_not() {
        let meta = meta_of(&headers(&[
            ("content-type", "image/png"),
            ("cache-control", "no-cache"),
            ("content-encoding", "gzip,aws-chunked"),
            ("x-amz-meta-who", "Zoë"),
            ("x-amz-date", "20260101T000000Z"),
            ("x-amz-checksum-crc32", "NhCmhg=="),
            ("host", "mortar"),
        ]))
        .unwrap();
        assert_eq!(meta.content_type.as_deref(), Some("image/png"));
        let kept = [("cache-control", "no-cache"), ("content-encoding", "gzip"), ("x-amz-meta-who", "Zoë")];
        assert_eq!(meta.headers, kept.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert!(meta_of(&headers(&[("content-encoding", "aws-chunked")])).unwrap().headers.is_empty());
    }

    #[test]
    fn too_much_of_ones_own_and_encryption_are_refused() {
        let long = "x".repeat(MAX_OWN_BYTES);
        assert_eq!(meta_of(&headers(&[("x-amz-meta-a", &long)])).unwrap_err().code().as_str(), "MetadataTooLarge");
        let encrypted = headers(&[("x-amz-server-side-encryption", "AES256")]);
        assert_eq!(meta_of(&encrypted).unwrap_err().code().as_str(), "NotImplemented");
    }

    #[test]
    fn writes_know_two_conditions() {
        let tag = ETagCondition::ETag(ETag::Strong("a".to_owned()));
        assert_eq!(condition(None, None).unwrap(), PutCondition::None);
        assert_eq!(condition(None, Some(&ETagCondition::Any)).unwrap(), PutCondition::IfAbsent);
        assert_eq!(condition(Some(&tag), None).unwrap(), PutCondition::IfMatch(EntityTag::new("a")));
        assert!(condition(Some(&ETagCondition::Any), None).is_err());
        assert!(condition(None, Some(&tag)).is_err());
    }
}

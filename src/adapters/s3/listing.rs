use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use mortar_actors::storage::{ListPage, ListRequest, Listed};
use mortar_actors::{Fault, FaultKind, ObjectKey, ObjectMeta};
use percent_encoding::percent_decode_str;
use rusoto_s3::{ListObjectsV2Output, ListObjectsV2Request, Object, S3};

use super::exchange::Manner;
use super::{S3Store, meta};

/// Entries that endpoints tell at a time at most.
const MAX_KEYS: usize = 1000;

impl S3Store {
    /// One page; shorter than asked for where the endpoint's own pages are.
    pub(super) async fn page(&self, request: &ListRequest) -> Result<ListPage, Fault> {
        let mut token = None;
        loop {
            let answer = self.answer(request, token).await?;
            if answer.is_truncated.is_none() {
                return Err(Fault::new(FaultKind::Upstream, "the store's answer is no listing"));
            }
            let (is_truncated, next_token) =
                (answer.is_truncated == Some(true), answer.next_continuation_token.clone());
            let mut page = entries(answer);
            let is_asked_for = |text: &str| request.start_after.as_deref().is_none_or(|start| text > start);
            page.objects.retain(|listed| is_asked_for(listed.key.as_str()));
            page.prefixes.retain(|prefix| is_asked_for(prefix));
            if !is_truncated || next_token.is_none() {
                return Ok(page);
            }
            page.next = last_entry(&page);
            if page.next.is_some() {
                return Ok(page);
            }
            // All of it stood before the asked beginning: a common prefix from before goes on behind it.
            token = next_token;
        }
    }

    async fn answer(&self, request: &ListRequest, token: Option<String>) -> Result<ListObjectsV2Output, Fault> {
        let asked = ListObjectsV2Request {
            bucket: self.endpoint.bucket.clone(),
            prefix: Some(request.prefix.clone()).filter(|prefix| !prefix.is_empty()),
            delimiter: request.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
            start_after: request.start_after.as_deref().map(|start| behind(start, request.delimiter.as_deref())),
            max_keys: Some(request.max_keys.clamp(1, MAX_KEYS) as i64),
            encoding_type: Some("url".to_owned()),
            continuation_token: token,
            ..ListObjectsV2Request::default()
        };
        self.ask(Manner::repeatable(), |s3| async move { s3.list_objects_v2(asked).await }).await
    }
}

/// Endpoints take the beginning for a key, behind which the keys of a common prefix would make it appear once more.
fn behind(start: &str, delimiter: Option<&str>) -> String {
    let is_prefix = delimiter.is_some_and(|delimiter| !delimiter.is_empty() && start.ends_with(delimiter));
    if is_prefix { format!("{start}{}", char::MAX) } else { start.to_owned() }
}

fn entries(answer: ListObjectsV2Output) -> ListPage {
    let encoded = answer.encoding_type.as_deref() == Some("url");
    let decode = |text: String| if encoded { decoded(&text) } else { text };
    let objects = answer.contents.unwrap_or_default().into_iter().filter_map(|mut object| {
        let key = decode(object.key.take()?);
        Some(Listed { key: ObjectKey::new(key), meta: of_object(&object) })
    });
    let prefixes = answer.common_prefixes.unwrap_or_default().into_iter();
    ListPage {
        objects: objects.collect(),
        prefixes: prefixes.filter_map(|common| common.prefix.map(decode)).collect(),
        next: None,
    }
}

fn of_object(object: &Object) -> ObjectMeta {
    ObjectMeta {
        length: object.size.and_then(|size| u64::try_from(size).ok()),
        etag: object.e_tag.as_deref().and_then(meta::tag),
        last_modified: object.last_modified.as_deref().and_then(moment),
        ..ObjectMeta::default()
    }
}

fn last_entry(page: &ListPage) -> Option<String> {
    let object = page.objects.last().map(|listed| listed.key.as_str());
    object.max(page.prefixes.last().map(String::as_str)).map(str::to_owned)
}

/// As `encoding-type=url` has it: a space is a plus.
fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// A moment in the notation of S3's XML, to the second.
pub(super) fn moment(text: &str) -> Option<SystemTime> {
    let seconds = DateTime::parse_from_rfc3339(text).ok()?.timestamp();
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_keys_are_read() {
        assert_eq!(decoded("a%2Fb+c%2Bd%25%C3%BC/e"), "a/b c+d%ü/e");
    }

    #[test]
    fn a_common_prefix_is_passed_over_whole() {
        assert_eq!(behind("a/", Some("/")), "a/\u{10FFFF}");
        assert_eq!(behind("a/b", Some("/")), "a/b");
        assert_eq!(behind("a/", None), "a/");
    }

    #[test]
    fn moments_are_read_to_the_second() {
        let expected = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(moment("2023-11-14T22:13:20.789Z"), Some(expected));
        assert_eq!(moment("2023-11-14T22:13:20Z"), Some(expected));
        assert_eq!(moment("yesterday"), None);
    }
}

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::Method;
use actix_web::http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use bytes::{BufMut, BytesMut};
use mortar_actors::EntityTag;

/// By what a representation is told from its earlier and later versions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// The strong entity tag.
    pub etag: Option<&'a EntityTag>,
    /// When it was last written; compared to the second.
    pub last_modified: Option<SystemTime>,
}

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were no preconditions.
    Proceed,
    /// 304: the client has this version.
    NotModified,
    /// 412: the client meant another version.
    PreconditionFailed,
}

/// Evaluates the preconditions of a request in the order of RFC 9110, section 13.2.2.
///
/// A date that cannot be read counts as absent, and so does a date condition on a representation without a date.
pub fn judge(method: &Method, headers: &HeaderMap, validators: Validators<'_>) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        if !any_tag(headers, &IF_MATCH, |tag| tag.is_strong_match(validators.etag)) {
            return Verdict::PreconditionFailed;
        }
    } else if let Some((limit, modified)) = dates(headers, IF_UNMODIFIED_SINCE, validators)
        && modified > limit
    {
        return Verdict::PreconditionFailed;
    }

    let reads = matches!(*method, Method::GET | Method::HEAD);
    if headers.contains_key(IF_NONE_MATCH) {
        return match any_tag(headers, &IF_NONE_MATCH, |tag| tag.is_weak_match(validators.etag)) {
            true if reads => Verdict::NotModified,
            true => Verdict::PreconditionFailed,
            false => Verdict::Proceed,
        };
    }
    match dates(headers, IF_MODIFIED_SINCE, validators) {
        Some((limit, modified)) if reads && modified <= limit => Verdict::NotModified,
        _ => Verdict::Proceed,
    }
}

/// Whether a request asks for something of the version that is there, before anything else.
pub(crate) fn has_preconditions(headers: &HeaderMap) -> bool {
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE].iter().any(|name| headers.contains_key(name))
}

/// Whether the ranges of a request may be served: there is no `If-Range`, or it names exactly this version.
pub(crate) fn if_range_holds(headers: &HeaderMap, validators: Validators<'_>) -> bool {
    let Some(value) = headers.get(IF_RANGE) else { return true };
    let Ok(text) = value.to_str() else { return false };
    if text.contains('"') {
        return Tags(text).next().is_some_and(|tag| !tag.is_any() && tag.is_strong_match(validators.etag));
    }
    let Ok(date) = httpdate::parse_http_date(text) else { return false };
    validators.last_modified.and_then(seconds) == seconds(date)
}

/// An entity tag as a header carries it; `None` for a tag without text.
pub(crate) fn etag_header(etag: &EntityTag) -> Option<HeaderValue> {
    let opaque = etag.opaque().as_bytes();
    if opaque.is_empty() {
        return None;
    }
    let mut quoted = BytesMut::with_capacity(opaque.len() + 2);
    quoted.put_u8(b'"');
    quoted.put_slice(opaque);
    quoted.put_u8(b'"');
    HeaderValue::from_maybe_shared(quoted.freeze()).ok()
}

/// A date as a header carries it; `None` for one that HTTP cannot express (before 1970 or after 9999).
pub(crate) fn date_header(date: SystemTime) -> Option<HeaderValue> {
    const END_OF_9999: u64 = 253_402_300_799;
    let seconds = seconds(date).filter(|seconds| *seconds <= END_OF_9999)?;
    HeaderValue::try_from(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))).ok()
}

/// One entry of a list of entity tags.
struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
    quoted: bool,
}

impl Tag<'_> {
    fn is_any(&self) -> bool {
        !self.quoted && self.opaque == "*"
    }

    fn is_weak_match(&self, etag: Option<&EntityTag>) -> bool {
        self.is_any() || etag.is_some_and(|etag| etag.opaque() == self.opaque)
    }

    fn is_strong_match(&self, etag: Option<&EntityTag>) -> bool {
        !self.weak && self.is_weak_match(etag)
    }
}

/// The entries of a list, in order. Tags may hold commas between their quotes; a tag without quotes is taken too.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let text = self.0.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return None;
        }
        let (weak, text) = text.strip_prefix("W/").map_or((false, text), |text| (true, text));
        let (opaque, rest, quoted) = match text.strip_prefix('"') {
            Some(inner) => inner.split_once('"').map_or((inner, "", true), |(opaque, rest)| (opaque, rest, true)),
            None => text.split_once(',').map_or((text, "", false), |(opaque, rest)| (opaque, rest, false)),
        };
        self.0 = rest;
        Some(Tag { weak, opaque: opaque.trim(), quoted })
    }
}

fn any_tag(headers: &HeaderMap, name: &HeaderName, matches: impl Fn(Tag<'_>) -> bool) -> bool {
    headers.get_all(name).filter_map(|value| value.to_str().ok()).flat_map(Tags).any(matches)
}

/// The date of a condition and the date of the representation, in seconds, where both are known.
fn dates(headers: &HeaderMap, name: HeaderName, validators: Validators<'_>) -> Option<(u64, u64)> {
    let text = headers.get(name)?.to_str().ok()?;
    let limit = httpdate::parse_http_date(text).ok()?;
    Some((seconds(limit)?, seconds(validators.last_modified?)?))
}

fn seconds(date: SystemTime) -> Option<u64> {
    date.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "Tue, 14 Nov 2023 22:13:19 GMT";
    const WRITTEN: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

    fn verdict_for(method: &Method, lines: &[(&'static str, &'static str)]) -> Verdict {
        let etag = EntityTag::new("v,1");
        let last_modified = Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_900));
        judge(method, &map(lines), Validators { etag: Some(&etag), last_modified })
    }

    fn verdict(lines: &[(&'static str, &'static str)]) -> Verdict {
        verdict_for(&Method::GET, lines)
    }

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn if_none_match_compares_weakly_over_lists_lines_and_stars() {
        for line in [r#""v,1""#, r#"W/"v,1""#, r#""a", "v,1""#, "*", r#" , "x" ,W/"v,1","#] {
            assert_eq!(verdict(&[("if-none-match", line)]), Verdict::NotModified, "{line}");
        }
        assert_eq!(verdict(&[("if-none-match", r#""a""#), ("if-none-match", r#""v,1""#)]), Verdict::NotModified);
        for line in [r#""v""#, r#""*""#, "", r#""a", "b""#] {
            assert_eq!(verdict(&[("if-none-match", line)]), Verdict::Proceed, "{line}");
        }
    }

    #[test]
    fn if_match_compares_strongly() {
        assert_eq!(verdict(&[("if-match", r#""a", "v,1""#)]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", "*")]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", r#"W/"v,1""#)]), Verdict::PreconditionFailed);
        assert_eq!(verdict(&[("if-match", r#""other""#)]), Verdict::PreconditionFailed);
    }

    #[test]
    fn dates_are_compared_to_the_second() {
        assert_eq!(verdict(&[("if-modified-since", WRITTEN)]), Verdict::NotModified);
        assert_eq!(verdict(&[("if-modified-since", EARLIER)]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", WRITTEN)]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", EARLIER)]), Verdict::PreconditionFailed);
        assert_eq!(verdict(&[("if-unmodified-since", "yesterday")]), Verdict::Proceed);
    }

    #[test]
    fn entity_tags_come_before_dates() {
        assert_eq!(verdict(&[("if-none-match", r#""a""#), ("if-modified-since", WRITTEN)]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", r#""v,1""#), ("if-unmodified-since", EARLIER)]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", r#""a""#), ("if-none-match", "*")]), Verdict::PreconditionFailed);
    }

    #[test]
    fn a_write_with_a_matching_if_none_match_is_refused() {
        assert_eq!(verdict_for(&Method::PUT, &[("if-none-match", "*")]), Verdict::PreconditionFailed);
        assert_eq!(verdict_for(&Method::PUT, &[("if-modified-since", WRITTEN)]), Verdict::Proceed);
    }

    #[test]
    fn if_range_needs_the_strong_tag_or_the_exact_date() {
        let etag = EntityTag::new("v1");
        let last_modified = Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let validators = Validators { etag: Some(&etag), last_modified };
        for (line, holds) in [
            (r#""v1""#, true),
            (r#"W/"v1""#, false),
            (r#""v2""#, false),
            (WRITTEN, true),
            (EARLIER, false),
            ("*", false),
        ] {
            assert_eq!(if_range_holds(&map(&[("if-range", line)]), validators), holds, "{line}");
        }
        assert!(if_range_holds(&HeaderMap::new(), validators));
        assert!(!if_range_holds(&map(&[("if-range", WRITTEN)]), Validators::default()));
    }

    #[test]
    fn dates_that_http_cannot_express_are_left_out() {
        assert_eq!(date_header(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(date_header(UNIX_EPOCH + Duration::from_secs(253_402_300_800)), None);
        assert_eq!(date_header(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap(), WRITTEN);
    }

    #[test]
    fn a_tag_is_quoted_and_an_empty_one_left_out() {
        assert_eq!(etag_header(&EntityTag::new("W/\"abc\"")).unwrap(), "\"abc\"");
        assert_eq!(etag_header(&EntityTag::new("")), None);
    }
}

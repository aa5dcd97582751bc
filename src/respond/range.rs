use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::RANGE;
use mortar_actors::{ByteRange, ContentRange};

/// Most ranges of one request that are served; a request for more is answered with the whole object.
pub const MAX_RANGES: usize = 16;

/// What a request's ranges come to on an object of known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// 200: no range was asked for.
    Whole,
    /// 206 with one part.
    One(ContentRange),
    /// 206 with several parts that do not overlap, at most [`MAX_RANGES`].
    Several(Vec<ContentRange>),
    /// 416: every range lies outside.
    Unsatisfiable,
}

/// The ranges that a request asks for; none where it is not a GET, asks for none, or asks in a way that RFC 9110 says
/// to ignore.
pub(crate) fn asked(request: &HttpRequest) -> Vec<ByteRange> {
    if request.method() != Method::GET {
        return Vec::new();
    }
    request.headers().get(RANGE).and_then(|value| value.to_str().ok()).and_then(parse).unwrap_or_default()
}

/// Reads the value of a `Range` header. `None` means that it is to be ignored: another unit than bytes, a syntax error,
/// or more than [`MAX_RANGES`] ranges.
pub fn parse(value: &str) -> Option<Vec<ByteRange>> {
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = Vec::new();
    for one in set.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        if ranges.len() == MAX_RANGES {
            return None;
        }
        ranges.push(parse_one(one)?);
    }
    (!ranges.is_empty()).then_some(ranges)
}

/// Measures ranges against an object of `total` bytes.
///
/// Ranges outside are dropped, overlapping ones joined, and a set that covers the object comes to the whole of it: no
/// request makes an answer longer than the object and its part headers.
pub fn select(ranges: &[ByteRange], total: u64) -> Selection {
    if ranges.is_empty() {
        return Selection::Whole;
    }
    let mut parts: Vec<ContentRange> = ranges.iter().filter_map(|range| range.within(total)).collect();
    join_overlapping(&mut parts);
    match parts.as_slice() {
        [] => Selection::Unsatisfiable,
        [one] if ranges.len() > 1 && one.len() == total => Selection::Whole,
        [one] => Selection::One(*one),
        _ => Selection::Several(parts),
    }
}

fn parse_one(text: &str) -> Option<ByteRange> {
    let (first, last) = text.split_once('-')?;
    match (first.trim_end(), last.trim_start()) {
        ("", length) => Some(ByteRange::Last(number(length)?)),
        (first, "") => Some(ByteRange::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

/// Digits only. A number beyond 64 bits lies beyond every object, as the largest one does.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Keeps the order of the client unless parts overlap; then they are joined in the order of the object.
fn join_overlapping(parts: &mut Vec<ContentRange>) {
    let mut sorted = parts.clone();
    sorted.sort_unstable_by_key(|part| part.first);
    if sorted.windows(2).all(|pair| pair[0].last < pair[1].first) {
        return;
    }
    sorted.dedup_by(|later, earlier| {
        let overlaps = later.first <= earlier.last;
        if overlaps {
            earlier.last = earlier.last.max(later.last);
        }
        overlaps
    });
    *parts = sorted;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(first: u64, last: u64, total: u64) -> ContentRange {
        ContentRange { first, last, total }
    }

    fn selected(value: &str, total: u64) -> Selection {
        select(&parse(value).unwrap_or_default(), total)
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(selected("bytes=0-0", 10), Selection::One(part(0, 0, 10)));
        assert_eq!(selected("bytes=3-", 10), Selection::One(part(3, 9, 10)));
        assert_eq!(selected("bytes=-3", 10), Selection::One(part(7, 9, 10)));
        assert_eq!(selected("Bytes = 2-99", 10), Selection::One(part(2, 9, 10)));
        assert_eq!(selected("bytes=-99", 10), Selection::One(part(0, 9, 10)));
        assert_eq!(selected("bytes=5-6, 0-1,", 10), Selection::Several(vec![part(5, 6, 10), part(0, 1, 10)]));
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        for value in ["", "bytes", "bytes=", "bytes=,", "lines=0-1", "bytes=a-b", "bytes=5-4", "bytes=0-1,x", "bytes=-"]
        {
            assert_eq!(selected(value, 10), Selection::Whole, "{value}");
        }
        assert_eq!(selected("bytes=+1-2", 10), Selection::Whole);
    }

    #[test]
    fn what_lies_outside_is_unsatisfiable_unless_another_range_lies_inside() {
        for value in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-", "bytes=20-30,40-50"] {
            assert_eq!(selected(value, 10), Selection::Unsatisfiable, "{value}");
        }
        assert_eq!(selected("bytes=0-", 0), Selection::Unsatisfiable);
        assert_eq!(selected("bytes=1-2,20-30", 10), Selection::One(part(1, 2, 10)));
    }

    #[test]
    fn overlapping_ranges_do_not_multiply_the_answer() {
        assert_eq!(selected("bytes=0-5,3-8", 10), Selection::One(part(0, 8, 10)));
        assert_eq!(selected("bytes=8-9,0-3,2-4", 10), Selection::Several(vec![part(0, 4, 10), part(8, 9, 10)]));
        assert_eq!(selected("bytes=0-,0-,0-", 10), Selection::Whole);
    }

    #[test]
    fn too_many_ranges_are_answered_with_the_whole() {
        let many = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
        assert_eq!(parse(&many(MAX_RANGES)).unwrap().len(), MAX_RANGES);
        assert_eq!(parse(&many(MAX_RANGES + 1)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_ignored(text in ".{0,80}", total in 0_u64..50) {
            let _ = selected(&text, total);
            let _ = selected(&format!("bytes={text}"), total);
        }

        #[test]
        fn parts_hold_exactly_the_asked_bytes_once(
            asked in prop::collection::vec((0_u64..60, 0_u64..60), 1..MAX_RANGES),
            total in 1_u64..50,
        ) {
            let ranges: Vec<_> = asked.iter().map(|(a, b)| ByteRange::Between(*a.min(b), *a.max(b))).collect();
            let wanted: Vec<u64> =
                (0..total).filter(|at| asked.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(at))).collect();
            let mut given: Vec<u64> = match select(&ranges, total) {
                Selection::Whole => (0..total).collect(),
                Selection::One(part) => (part.first..=part.last).collect(),
                Selection::Several(parts) => parts.iter().flat_map(|part| part.first..=part.last).collect(),
                Selection::Unsatisfiable => Vec::new(),
            };
            given.sort_unstable();
            prop_assert_eq!(given, wanted);
        }
    }
}

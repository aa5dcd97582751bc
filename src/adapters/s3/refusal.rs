//! What an endpoint refuses with, translated once.

use std::time::Duration;

use hyper::header::{CONTENT_RANGE, HeaderMap, RETRY_AFTER};
use hyper::{Method, StatusCode};
use mortar_actors::{Fault, FaultKind};

/// The longest `Retry-After` that is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The fault of an unsatisfiable range whose answer does not tell the object's size.
pub(super) const SIZE_UNTOLD: FaultKind = FaultKind::RangeNotSatisfiable { total: u64::MAX };

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What it means.
    pub(super) fault: Fault,
    /// Whether the same request may succeed in a moment.
    pub(super) is_passing: bool,
    /// Whether newer credentials may help.
    pub(super) is_stale: bool,
}

impl Refusal {
    /// Reads the status, the headers and the body, which is XML or nothing.
    pub(super) fn read(method: &Method, status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let code = element(body, "Code").unwrap_or_default();
        let mut fault = fault(method, status, code, headers, body).caused_by(format!("{status} {code}"));
        if let Some(wait) = retry_after(headers) {
            fault = fault.retry_after(wait);
        }
        Self {
            fault,
            is_passing: is_passing(status, code),
            is_stale: matches!(code, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "InvalidAccessKeyId"),
        }
    }
}

/// The text of the first element of that name. Enough for the fixed, flat texts that S3 and STS answer with.
pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text.trim())
}

/// The bucket is not there.
pub(super) fn no_bucket() -> Fault {
    Fault::new(FaultKind::Upstream, "the storage's bucket does not exist")
}

/// There is no such object.
pub(super) fn absent() -> Fault {
    Fault::new(FaultKind::NotFound, "the object does not exist")
}

/// There can be no such object.
pub(super) fn unnameable() -> Fault {
    Fault::new(FaultKind::Invalid, "this store cannot hold an object of that name")
}

/// The range lies outside of an object of `total` bytes.
pub(super) fn out_of_range(total: u64) -> Fault {
    Fault::new(FaultKind::RangeNotSatisfiable { total }, "the asked range lies outside the object")
}

fn fault(method: &Method, status: StatusCode, code: &str, headers: &HeaderMap, body: &str) -> Fault {
    let upstream = |message: &'static str| Fault::new(FaultKind::Upstream, message);
    match (status.as_u16(), code) {
        (_, "NoSuchBucket") => no_bucket(),
        (_, "NoSuchUpload") => upstream("the store has lost the upload"),
        (_, "InvalidObjectState") => Fault::new(FaultKind::Archived, "the object lies in an archive"),
        (_, "KeyTooLongError" | "InvalidURI" | "XMinioInvalidObjectName" | "XMinioParentIsObject") => unnameable(),
        (_, "EntityTooLarge") => Fault::new(FaultKind::TooLarge, "the object is larger than the store allows"),
        (_, "RequestTimeout") => Fault::new(FaultKind::TimedOut, "the store waited too long for the body"),
        (404, _) => absent(),
        (412, _) | (409, "ConditionalRequestConflict") => {
            Fault::new(FaultKind::PreconditionFailed, "the object is not the one that the request expects")
        }
        (416, _) => total(headers, body).map_or_else(size_untold, out_of_range),
        (401 | 403, _) => upstream("the store does not let this service in"),
        (301 | 302 | 307 | 308, _) => upstream("the bucket is kept in another region or at another endpoint"),
        (429 | 503, _) => upstream("the store is overloaded"),
        (501, _) => Fault::new(FaultKind::Unsupported, "the store cannot do that"),
        (400..=499, _) if *method == Method::GET || *method == Method::HEAD => {
            upstream("the store refused to read the object")
        }
        (400..=499, _) => upstream("the store refused to write the object"),
        _ => upstream("the store failed"),
    }
}

fn size_untold() -> Fault {
    Fault::new(SIZE_UNTOLD, "the asked range lies outside the object")
}

fn is_passing(status: StatusCode, code: &str) -> bool {
    let by_code = matches!(code, "RequestTimeout" | "SlowDown" | "InternalError" | "ServiceUnavailable" | "Throttling");
    by_code || matches!(status.as_u16(), 429 | 500 | 502..=504)
}

/// The size of the object, from `Content-Range: bytes */SIZE` or the error's own text.
fn total(headers: &HeaderMap, body: &str) -> Option<u64> {
    let told = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes */"));
    told.or_else(|| element(body, "ActualObjectSize"))?.parse().ok()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Refusal {
        Refusal::read(&Method::GET, StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body)
    }

    fn coded(status: u16, code: &str) -> Refusal {
        read(status, &format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>"))
    }

    #[test]
    fn only_a_missing_object_is_not_found() {
        assert_eq!(coded(404, "NoSuchKey").fault.kind(), FaultKind::NotFound);
        assert_eq!(read(404, "").fault.kind(), FaultKind::NotFound);
        assert_eq!(coded(404, "NoSuchBucket").fault.kind(), FaultKind::Upstream);
        assert_eq!(coded(404, "NoSuchUpload").fault.kind(), FaultKind::Upstream);
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        for (status, code) in [(503, "SlowDown"), (500, "InternalError"), (429, ""), (400, "RequestTimeout"), (504, "")]
        {
            assert!(coded(status, code).is_passing, "{status} {code}");
        }
        for (status, code) in [(403, "AccessDenied"), (404, "NoSuchKey"), (400, "InvalidRequest"), (501, "")] {
            assert!(!coded(status, code).is_passing, "{status} {code}");
        }
        assert!(coded(400, "ExpiredToken").is_stale && !coded(403, "AccessDenied").is_stale);
    }

    #[test]
    fn a_refused_range_tells_the_size_where_the_answer_does() {
        let told = read(416, "<Error><Code>InvalidRange</Code><ActualObjectSize>12</ActualObjectSize></Error>");
        assert_eq!(told.fault.kind(), FaultKind::RangeNotSatisfiable { total: 12 });
        assert_eq!(coded(416, "InvalidRange").fault.kind(), SIZE_UNTOLD);
    }

    #[test]
    fn the_message_for_the_requester_quotes_nothing_of_the_store() {
        let refused =
            read(403, "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>");
        assert_eq!(refused.fault.message(), "the store does not let this service in");
    }

    #[test]
    fn elements_are_found_and_their_absence_too() {
        assert_eq!(element("<a><Code> X </Code></a>", "Code"), Some("X"));
        assert_eq!(element("<Code>X", "Code"), None);
        assert_eq!(element("", "Code"), None);
    }
}

//! What an origin's answer means.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, LAST_MODIFIED, RETRY_AFTER,
};
use hyper::{Response, StatusCode};
use mortar_actors::{Body, ByteRange, ContentRange, EntityTag, Fault, FaultKind, Fetched, ObjectMeta};

use super::body::{chunks, cut, too_large};

/// The longest wait that an origin can impose by `Retry-After`.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The object, or the asked part of it, that a GET brought. An origin that ignores the range has the part cut here; if
/// it does not tell the length either, the whole object is handed on.
pub(super) fn fetched(
    response: Response<Incoming>,
    range: Option<ByteRange>,
    limit: u64,
    patience: Duration,
) -> Result<Fetched, Fault> {
    let mut meta = meta(&response, limit)?;
    if response.status() == StatusCode::PARTIAL_CONTENT {
        let part = sent_part(response.headers(), range)?;
        if part.total > limit {
            return Err(too_large(limit));
        }
        meta.length = Some(part.total);
        let body = cut(chunks(response.into_body(), limit, patience), 0, part.len());
        return Ok(Fetched { meta, part: Some(part), body: Body::Stream(body) });
    }
    let whole = chunks(response.into_body(), limit, patience);
    let (Some(range), Some(total)) = (range, meta.length) else {
        return Ok(Fetched { meta, part: None, body: Body::Stream(whole) });
    };
    let part = range.within(total).ok_or_else(|| out_of_range(total))?;
    Ok(Fetched { meta, part: Some(part), body: Body::Stream(cut(whole, part.first, part.len())) })
}

/// What an answer tells of its object. Only headers that describe the object are taken over; others stay with the
/// origin.
pub(super) fn meta<B>(response: &Response<B>, limit: u64) -> Result<ObjectMeta, Fault> {
    if let Some(fault) = refusal(response) {
        return Err(fault);
    }
    let headers = response.headers();
    if text(headers, &CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(Fault::new(FaultKind::Upstream, "the origin encodes what was asked for as it is"));
    }
    let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    Ok(ObjectMeta {
        length,
        content_type: text(headers, &CONTENT_TYPE).map(str::to_owned),
        etag: text(headers, &ETAG).map(EntityTag::new).filter(|tag| !tag.opaque().is_empty()),
        last_modified: text(headers, &LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok()),
        headers: travelling(headers),
    })
}

/// A range as a `Range` header asks for it.
pub(super) fn range_header(range: ByteRange) -> String {
    match range {
        ByteRange::Between(first, last) => format!("bytes={first}-{last}"),
        ByteRange::From(first) => format!("bytes={first}-"),
        ByteRange::Last(length) => format!("bytes=-{length}"),
    }
}

/// The fault that a status stands for; `None` when the answer carries an object.
fn refusal<B>(response: &Response<B>) -> Option<Fault> {
    let upstream = |message: &'static str| Fault::new(FaultKind::Upstream, message);
    let fault = match response.status() {
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION | StatusCode::PARTIAL_CONTENT => return None,
        StatusCode::NOT_FOUND | StatusCode::GONE => Fault::new(FaultKind::NotFound, "the object does not exist"),
        StatusCode::RANGE_NOT_SATISFIABLE => match unsatisfied_total(response.headers()) {
            Some(total) => out_of_range(total),
            None => upstream("the origin refused the range"),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => upstream("the origin refused access"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let busy = upstream("the origin is overloaded");
            match text(response.headers(), &RETRY_AFTER).and_then(wait) {
                Some(wait) => busy.retry_after(wait),
                None => busy,
            }
        }
        status => Fault::new(FaultKind::Upstream, format!("the origin answered with status {}", status.as_u16())),
    };
    Some(fault)
}

fn wait(retry_after: &str) -> Option<Duration> {
    let wait = match retry_after.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(retry_after).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The part that a 206 carries. It must be the asked one, measured against the length that the origin tells.
fn sent_part(headers: &HeaderMap, asked: Option<ByteRange>) -> Result<ContentRange, Fault> {
    let part = text(headers, &CONTENT_RANGE).and_then(parse_content_range);
    part.filter(|part| asked.and_then(|asked| asked.within(part.total)) == Some(*part))
        .ok_or_else(|| Fault::new(FaultKind::Upstream, "the origin sent another part than was asked for"))
}

/// Reads `bytes first-last/total`.
fn parse_content_range(value: &str) -> Option<ContentRange> {
    let (positions, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = positions.split_once('-')?;
    Some(ContentRange { first: first.parse().ok()?, last: last.parse().ok()?, total: total.parse().ok()? })
}

/// Reads `bytes */total`.
fn unsatisfied_total(headers: &HeaderMap) -> Option<u64> {
    text(headers, &CONTENT_RANGE)?.strip_prefix("bytes */")?.parse().ok()
}

fn out_of_range(total: u64) -> Fault {
    Fault::new(FaultKind::RangeNotSatisfiable { total }, "the asked range lies outside the object")
}

fn travelling(headers: &HeaderMap) -> BTreeMap<String, String> {
    let travels =
        |name: &HeaderName| *name == CACHE_CONTROL || *name == CONTENT_DISPOSITION || is_user_metadata(name.as_str());
    let readable = headers.iter().filter(|(name, _)| travels(name));
    readable.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}

fn is_user_metadata(name: &str) -> bool {
    name.starts_with("x-amz-meta-")
}

/// A header as text; one that is not visible ASCII is as good as absent.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

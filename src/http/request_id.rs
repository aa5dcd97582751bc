use std::fmt::Write as _;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest};
use bytes::Bytes;

/// The header that carries the id, both ways.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken over from a client.
const MAX_LENGTH: usize = 128;

/// The name of one request in logs, answers and error bodies. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Takes over the id that came with the request if it is at most 128 visible ASCII characters; makes one otherwise.
    pub(crate) fn take_over_or_make(headers: &HeaderMap) -> Self {
        headers.get(X_REQUEST_ID).and_then(Self::taken_over).unwrap_or_else(Self::make)
    }

    /// The id of a request that came through the edge; a fresh one for a request that did not.
    pub fn of(request: &HttpRequest) -> Self {
        request.extensions().get().cloned().unwrap_or_else(Self::make)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("an id is visible ASCII")
    }

    /// The id as a header.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    fn taken_over(value: &HeaderValue) -> Option<Self> {
        let sane = (1..=MAX_LENGTH).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
        // Copied, so that the id does not keep the connection's whole read buffer alive.
        sane.then(|| HeaderValue::from_bytes(value.as_bytes()).ok()).flatten().map(Self)
    }

    /// 128 random bits.
    fn make() -> Self {
        let mut text = String::with_capacity(32);
        write!(text, "{:032x}", rand::random::<u128>()).expect("writing to a string does not fail");
        let value = HeaderValue::from_maybe_shared(Bytes::from(text));
        Self(value.expect("hexadecimal digits are a header value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(value: &str) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        RequestId::take_over_or_make(&headers)
    }

    #[test]
    fn a_sane_id_is_taken_over() {
        let longest = "x".repeat(MAX_LENGTH);
        for id in ["a", "550e8400-e29b-41d4-a716-446655440000", longest.as_str()] {
            assert_eq!(id_for(id).as_str(), id);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        let too_long = "x".repeat(MAX_LENGTH + 1);
        for id in ["", "two words", "gr\u{fc}n", too_long.as_str()] {
            let made = id_for(id);
            assert_ne!(made.as_str(), id);
            assert_eq!(made.as_str().len(), 32);
        }
    }

    #[test]
    fn made_ids_differ() {
        let headers = HeaderMap::new();
        assert_ne!(RequestId::take_over_or_make(&headers), RequestId::take_over_or_make(&headers));
    }
}

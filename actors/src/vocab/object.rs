use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use super::Body;

/// A strong validator: the opaque text between the quotes of an `ETag` header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityTag(String);

impl EntityTag {
    /// Takes the opaque text. Quotes, a weakness mark and characters that a header cannot carry are taken off.
    pub fn new(text: &str) -> Self {
        let text = text.trim().trim_start_matches("W/").trim_matches('"');
        Self(text.chars().filter(|c| c.is_ascii_graphic() && *c != '"').collect())
    }

    /// The text without quotes.
    pub fn opaque(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityTag {
    /// As it stands in a header: quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// What a store knows of an object besides its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Size of the whole object in bytes, where the store tells it.
    pub length: Option<u64>,
    /// Its media type, where the store knows it.
    pub content_type: Option<String>,
    /// Its validator; equal for equal content, also across restarts.
    pub etag: Option<EntityTag>,
    /// When it was last written, to the second.
    pub last_modified: Option<SystemTime>,
    /// Other headers that travel with the object (`cache-control`, `content-disposition`, `x-amz-meta-…`), by
    /// lower-case name.
    pub headers: BTreeMap<String, String>,
}

/// One byte range as a client asks for it, not yet measured against the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `first-last`, both counted from zero and included.
    Between(u64, u64),
    /// `first-`: from here to the end.
    From(u64),
    /// `-length`: the last bytes.
    Last(u64),
}

impl ByteRange {
    /// Measures the range against an object of `total` bytes; `None` when it lies outside.
    pub fn within(self, total: u64) -> Option<ContentRange> {
        let (first, last) = match self {
            Self::Between(first, last) if first <= last => (first, last),
            Self::Between(..) => return None,
            Self::From(first) => (first, u64::MAX),
            Self::Last(0) => return None,
            Self::Last(length) => (total.saturating_sub(length), u64::MAX),
        };
        (first < total).then(|| ContentRange { first, last: last.min(total - 1), total })
    }
}

/// The part of an object that an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// First byte, counted from zero.
    pub first: u64,
    /// Last byte, included.
    pub last: u64,
    /// Size of the whole object in bytes.
    pub total: u64,
}

impl ContentRange {
    /// The number of bytes in the part; never zero.
    #[expect(clippy::len_without_is_empty, reason = "a content range is never empty")]
    pub fn len(self) -> u64 {
        self.last - self.first + 1
    }
}

/// An object, or the asked part of it, with everything the same read told.
#[derive(Debug)]
pub struct Fetched {
    /// What the store knows of the whole object.
    pub meta: ObjectMeta,
    /// Set when the body is only this part.
    pub part: Option<ContentRange>,
    /// The bytes of the object or of the part.
    pub body: Body,
}

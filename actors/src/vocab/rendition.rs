use std::time::SystemTime;

use bytes::Bytes;

use super::EntityTag;

/// A finished result. Its one buffer is the answer, the cache entry and the item to store back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// The encoded picture.
    pub body: Bytes,
    /// Its media type.
    pub content_type: String,
    /// Validator made of the body, so that it is the same after a restart and from every tier.
    pub etag: EntityTag,
    /// When it was made, to the second.
    pub last_modified: SystemTime,
    /// Width of the picture in pixels, where known.
    pub width: Option<u32>,
    /// Height of the picture in pixels, where known.
    pub height: Option<u32>,
}

impl Rendition {
    /// Bytes that a cache accounts for: the body and what surrounds it. Computed once, at insert.
    pub fn weight(&self) -> u64 {
        const SURROUNDINGS: u64 = 256;
        #[cfg(test)]
        weighings::count();
        self.body.len() as u64 + SURROUNDINGS
    }
}

/// How often this thread asked for a weight.
#[cfg(test)]
pub(crate) mod weighings {
    use std::cell::Cell;

    thread_local! {
        static SO_FAR: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        SO_FAR.set(SO_FAR.get() + 1);
    }

    pub(crate) fn so_far() -> u64 {
        SO_FAR.get()
    }
}

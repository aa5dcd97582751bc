use std::sync::Arc;

use mortar_actors::{Fault, Key, ObjectKey, StoreId};

use super::bucket::{Bucket, Buckets};
use super::plan::Plan;

/// What a URL asks for.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The bucket that the path names.
    pub bucket: Arc<Bucket>,
    /// Where the asked object is found: a plain object, or the stored result of a transform.
    pub object: Location,
    /// How the object is made, where it is the result of a transform.
    pub derived: Option<Derived>,
}

/// An object in a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// `bucket/storage`, or `bucket/storage#container`; see [`StoreAddress`](super::StoreAddress).
    pub store: StoreId,
    /// The object's name there, before the storage's own path prefix.
    pub key: ObjectKey,
}

/// How the result of a transform is made.
#[derive(Clone, Debug)]
pub struct Derived {
    /// The original that the first step starts from.
    pub root: Location,
    /// What is done to it.
    pub plan: Arc<Plan>,
    /// Whether the root must still exist for a stored result to be served.
    pub check_parent: bool,
    /// What makes two requests the same: for the cache and for joining.
    pub key: Key,
}

/// Turns path and query of a URL into what to do. `path` is as received, percent-encoded, with its leading slash.
///
/// # Errors
/// `NotFound` for an unknown bucket and for a path that names no object, `Invalid` for everything that cannot be
/// understood.
pub fn resolve(buckets: &Buckets, path: &str, query: &str) -> Result<Resolved, Fault> {
    todo!("{buckets:?} {path} {query}")
}

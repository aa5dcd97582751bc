//! Pure values and functions: from path and query to what to do and under which key. Nothing here does I/O.

mod bucket;
mod key;
mod path;
pub mod plan;
mod query;
mod resolve;
#[cfg(test)]
mod samples;
mod store_address;

use std::borrow::Cow;

pub use bucket::{Bucket, Buckets, Dialect, PlanLimits, PresetPath, Recipe, ResultKey, Transform};
use mortar_actors::{Fault, FaultKind};
pub use query::parse_plan;
pub use resolve::{Derived, Location, Resolved, resolve};
pub use store_address::StoreAddress;

/// Whether a key is one of this program's own records, which nobody may read, write or list.
pub fn is_reserved(key: &str) -> bool {
    key.trim_start_matches('/').split('/').next() == Some(".mortar")
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::Invalid, message)
}

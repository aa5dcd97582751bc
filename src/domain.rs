//! Pure values and functions: from path and query to what to do and under which key. Nothing here does I/O.

mod bucket;
mod change;
mod key;
mod marker;
mod path;
pub mod plan;
mod query;
mod resolve;
#[cfg(test)]
mod samples;
mod store_address;

use std::borrow::Cow;

pub use bucket::{Bucket, Buckets, Dialect, PlanLimits, PresetPath, Recipe, ResultKey, Transform};
pub use change::Change;
pub use marker::{Marker, is_reserved};
use mortar_actors::{Fault, FaultKind};
pub use query::parse_plan;
pub use resolve::{Derived, Location, Resolved, resolve};
pub use store_address::StoreAddress;

fn invalid(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::Invalid, message)
}

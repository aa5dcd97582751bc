//! Pure values and functions: from path and query to what to do and under which key. Nothing here does I/O.

mod bucket;
pub mod plan;
mod query;
mod resolve;
mod store_address;

pub use bucket::{Bucket, Buckets, Dialect, PlanLimits, PresetPath, Recipe, ResultKey, Transform};
pub use query::parse_plan;
pub use resolve::{Derived, Location, Resolved, resolve};
pub use store_address::StoreAddress;

//! The HTTP edge: what happens around every request, and the pages behind it.

mod access_log;
mod cors;
mod edge;
mod explain;
pub mod internal;
pub mod listen;
mod metrics;
mod panic_fence;
pub mod pictures;
pub mod purge;
mod request_id;
pub mod stats;
pub mod traffic;

pub use cors::{Cors, CorsSettings};
pub use edge::{Edge, EdgeSettings};
pub use request_id::RequestId;

//! The HTTP edge: what happens around every request.

mod access_log;
mod cors;
mod edge;
mod panic_fence;
mod request_id;

pub use cors::{Cors, CorsSettings};
pub use edge::{Edge, EdgeSettings};
pub use panic_fence::PanicCount;
pub use request_id::RequestId;

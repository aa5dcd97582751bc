//! To be filled by its actor; the port stands first.

mod port;

pub use port::*;

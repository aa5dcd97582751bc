//! Pure values and functions: from path and query to what to do and under which key. Nothing here does I/O.

pub mod plan;

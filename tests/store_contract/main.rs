//! What every store promises, as functions over `&dyn Store`, and what each kind promises besides.

#![expect(clippy::unwrap_used, reason = "everything here is a test, the shared functions too")]

mod contract;
mod http_faults;
mod http_limits;
mod http_reads;
mod local;
mod local_directories;
mod local_writes;
mod noop;
mod opening;
mod origin;
mod s3;
mod s3_faults;
#[path = "../harness/s3.rs"]
mod s3_server;

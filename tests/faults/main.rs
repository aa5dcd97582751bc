//! The 23 memory faults that Mortar set out not to have, each looked for from outside in the running program.
//!
//! Every test is named after its fault and says, behind "Red when", which change of the program makes it fail; each of
//! these changes was made once to see it fail. Faults that are better seen from inside have their tests, by the same
//! names, where the code is: `cargo test --workspace fault_` runs them all.
//!
//! | fault | also in |
//! |---|---|
//! | 1 | `actors/tests/storage_clients.rs` |
//! | 2 | `actors/tests/cancellation.rs` |
//! | 4, 13 | `src/respond/object.rs`, `tests/http_answers.rs` |
//! | 5, 7, 9, 19, 20, 22 | `actors/tests/faults` |
//! | 6, 9 | `src/respond/payload.rs`, `src/respond/rendition.rs` |
//! | 8 | `actors/src/cache/memory.rs` |
//! | 12 | `src/config/redis.rs`, `src/config/load/tests.rs` |
//! | 17 | `actors/tests/supervision.rs`, `tests/http_answers.rs` |
//! | 18 | `src/adapters/redis/frame.rs` |
//! | 21 | `actors/tests/flights.rs`, `src/adapters/redis/waiters.rs`, `tests/redis_lease.rs` |

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed unwrap is a failed test; a random storm tells its seed"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod allocations;
mod bodies;
mod clients_of_stores;
mod crowd;
mod leaving;
mod reading;
mod redis;
mod responder;
mod store;
mod work;

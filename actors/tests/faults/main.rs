//! Those of the 23 memory faults that are best seen from inside the tree; the others are in `tests/faults`, which tells
//! them all. Each test says, behind "Red when", which change of the program makes it fail.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod allocations;
mod bounded;
mod shared;

//! Epochs: what was derived from an original is good until the original is replaced.
//!
//! Whoever derives something enters the epoch of its original before reading anything, and keeps what it made under that
//! epoch only. Replacing an original ends its epoch: what is in memory under it is dropped, flights under it take nobody
//! on any more, and what they make is handed to those who wait and kept nowhere.
//!
//! A replacement has two moments. [`Epochs::close`] ends the epoch and waits for writes that had begun, so that nothing
//! old is written from then on; the stored results are removed; [`Closed::reopen`] ends what began meanwhile, which may
//! have read an old result just before its removal. Between the two nothing is kept outside memory.
//!
//! A write that outlasts the wait for it, or that was begun at another instance, may put an old result where the stored
//! results were just removed. Whoever wrote it sees that the original was replaced, removes it, and ends the epoch once
//! more by [`Commit::recall`], for it may have been read. Such an end says nothing against what was rendered under the
//! epoch: it came from the original, and what is being written of it stays. So one late write never leads to another.
//!
//! Several instances agree by marks in a store that they share: ending an epoch sets a new mark and tells the others. A
//! flight learns the mark before it reads anything, which also discovers an announcement that was missed. Results in the
//! shared cache carry the mark, so that those of an older epoch are never read. What is written to a store of results is
//! looked after: when the mark has changed by then, it is removed again. Nothing here fails: without the shared store
//! each instance knows of its own replacements, and leaves open what it cannot know: whether what it writes is old shows
//! when the marks can be asked again, or when it is clear that no announcement was missed.
//!
//! Bounded: an epoch lives, also after its end, as long as a flight, a queued result or an entry in memory is under it.

mod epochs;
mod port;
mod settings;
mod shared;
mod state;

pub use epochs::{Closed, Epochs};
pub use port::*;
pub use settings::EpochSettings;
pub(crate) use state::Entered;
pub use state::{Commit, Doubt, Epoch, Verdict};

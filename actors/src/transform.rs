//! The transform actor: renders on CPU threads, as many as there are cores, admitted by count and by memory.
//!
//! - **Owns**: the engine, the places of running renders, the memory budget, the quarantine of keys whose render panicked.
//! - **Accepts**: `Render`.
//! - **Bounds**: renders running, renders queued, estimated bytes of the running ones, keys in quarantine; of those renders,
//!   the large ones.
//! - **In turn**: owners are served one after the other, a small render never waits for large ones alone, neither for a
//!   place nor for memory, and whoever fills the queue fills it for itself, with large renders too, so that nobody who asks
//!   for little waits for somebody who asks for much.
//! - **On failure**: a render that panics is answered as such, its key is refused for a while, and the engine is built
//!   anew; running renders go on. That restart is not charged to the budget, for the input caused it.
//! - **Not its job**: fetching sources and keeping results.

mod actor;
mod floor;
mod handle;
mod port;
mod quarantine;
mod render;
mod settings;
mod shares;
mod stats;
mod turnstile;

pub use handle::TransformHandle;
pub use port::*;
pub use settings::TransformSettings;
pub use shares::Announced;
pub use stats::TransformStats;

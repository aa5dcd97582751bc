//! Supervision: children are built from factories, rebuilt with backoff, and given up when their restart budget is
//! spent.

mod backoff;
mod budget;
mod child;
mod keeper;
mod settings;

pub use child::ChildState;
pub(crate) use child::{Child, Observe};
pub(crate) use keeper::{Incarnation, KeptActor, KeptTask, keep};
pub use settings::SupervisionSettings;

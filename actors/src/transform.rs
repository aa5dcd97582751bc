//! Transform.

mod port;
mod settings;
mod stats;

pub use port::*;
pub use settings::TransformSettings;
pub use stats::TransformStats;

use std::marker::PhantomData;

use crate::vocab::{Deadline, Key};
use crate::{Fault, TreeBuilder};

/// The way to the renders. Cheap to clone.
pub struct TransformHandle<E>(PhantomData<fn() -> E>);

impl<E: Engine> TransformHandle<E> {
    /// Renders `job`. Dropping the future, or the deadline, raises the job's stop flag.
    pub async fn render(&self, key: &Key, job: E::Job, deadline: Deadline) -> Result<E::Output, Fault> {
        todo!()
    }
}

impl TreeBuilder {
    /// Adds the transform actor. `engine` builds an engine at the start and after each panic.
    pub fn transform<E: Engine>(
        &mut self,
        settings: TransformSettings,
        engine: impl FnMut() -> E + Send + 'static,
    ) -> TransformHandle<E> {
        todo!()
    }
}

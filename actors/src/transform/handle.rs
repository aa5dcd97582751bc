use std::sync::Arc;

use super::actor::{Job, Transform};
use super::floor::Floor;
use super::shares::Announced;
use super::{Engine, TransformSettings};
use crate::fault::Fault;
use crate::handle::Door;
use crate::tree::TreeBuilder;
use crate::vocab::{Deadline, Key, Originals, Owner};

/// The way to the renders. Cheap to clone.
pub struct TransformHandle<E: Engine> {
    pub(crate) door: Door<Transform<E>>,
    floor: Arc<Floor>,
}

impl<E: Engine> TransformHandle<E> {
    /// Renders `job` for `owner`, whose result goes by the name of `key`. Dropping the future, or the deadline, frees a queued job
    /// at once and has a running one stop at its next stage.
    ///
    /// # Errors
    /// As [`Engine::render`] and [`Door::ask`]; `Overloaded` when too many renders are queued, or too many large ones and
    /// this is one, or too many of its owner; `TooLarge` at once when the job needs more memory than all renders together
    /// may use; `Panicked` when the render panicked, and at once, with the time to wait, while its key is refused for that.
    pub async fn render(&self, key: &Key, owner: &Owner, job: E::Job, deadline: Deadline) -> Result<E::Output, Fault> {
        let job = Job { key: key.clone(), owner: owner.clone(), job };
        self.door.ask(&self.floor.renders, job, deadline).await
    }

    /// Announces a render of `owner`, for as long as its original is being fetched: what would be refused then is refused
    /// now, before anything is fetched for it. It takes no place itself.
    ///
    /// # Errors
    /// `Overloaded` when too many renders are queued or will be, or too many of this owner.
    pub fn announce(&self, owner: &Owner) -> Result<Announced, Fault> {
        let room = self.floor.renders.has_room();
        self.door.counting_refusal(room.and_then(|()| self.floor.shares.announce(owner)))
    }

    /// Tries again what was refused because it panicked, of originals that have been replaced.
    pub fn let_out(&self, originals: &Originals) {
        self.floor.quarantine.let_out(originals);
    }
}

impl<E: Engine> Clone for TransformHandle<E> {
    fn clone(&self) -> Self {
        Self { door: self.door.clone(), floor: Arc::clone(&self.floor) }
    }
}

impl TreeBuilder {
    /// Adds the transform actor. `engine` builds an engine at the start and after each panic.
    pub fn transform<E: Engine>(
        &mut self,
        settings: TransformSettings,
        mut engine: impl FnMut() -> E + Send + 'static,
    ) -> TransformHandle<E> {
        let floor = Arc::new(Floor::new(settings));
        let admission = [&floor.renders, &floor.large, &floor.memory, &floor.estimates];
        let turnstile = &floor.turnstile;
        let running = [turnstile.places(), turnstile.large(), turnstile.large_memory()];
        let gates = admission.into_iter().chain(running).cloned().collect();
        let kept = Arc::clone(&floor);
        let observed = Arc::clone(&floor);
        let door = self
            .observed_actor("transform", gates, Some(observed), move || Transform::new(engine(), Arc::clone(&kept)));
        TransformHandle { door, floor }
    }
}

use std::sync::Arc;

use super::Engine;
use super::floor::Floor;
use super::render::Render;
use crate::handle::Ask;
use crate::host::{Serve, State, Work};
use crate::ticket::Ticket;
use crate::vocab::Key;

/// The actor's state: one engine, as fresh as the actor.
pub(crate) struct Transform<E: Engine> {
    engine: Arc<E>,
    floor: Arc<Floor>,
}

/// Asks for a render. The key names the result, for the quarantine.
pub(super) struct Job<E: Engine> {
    pub(super) key: Key,
    pub(super) job: E::Job,
}

impl<E: Engine> Ask for Job<E> {
    type Reply = E::Output;
}

impl<E: Engine> Transform<E> {
    pub(super) fn new(engine: E, floor: Arc<Floor>) -> Self {
        Self { engine: Arc::new(engine), floor }
    }
}

impl<E: Engine> State for Transform<E> {}

impl<E: Engine> Serve<Job<E>> for Transform<E> {
    fn serve(&mut self, Job { key, job }: Job<E>, ticket: &Ticket) -> Work<E::Output> {
        if let Err(refusal) = self.floor.quarantine.check(&key) {
            return Work::Done(Err(refusal));
        }
        let render = Render::new(key, Arc::clone(&self.engine), Arc::clone(&self.floor), ticket);
        // Kept, so that a render that is abandoned is still watched; it drops a queued job by itself.
        Work::kept(render.run(job))
    }
}

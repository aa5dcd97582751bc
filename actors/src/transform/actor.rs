use std::sync::Arc;

use super::Engine;
use super::floor::Floor;
use super::render::{Name, Render};
use crate::handle::Ask;
use crate::host::{Serve, State, Work};
use crate::ticket::Ticket;
use crate::vocab::{Key, Owner};

/// The actor's state: one engine, as fresh as the actor.
pub(crate) struct Transform<E: Engine> {
    engine: Arc<E>,
    floor: Arc<Floor>,
}

/// Asks for a render. The key names the result, for the quarantine; the owner has its share.
pub(super) struct Job<E: Engine> {
    pub(super) key: Key,
    pub(super) owner: Owner,
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
    fn serve(&mut self, Job { key, owner, job }: Job<E>, ticket: &Ticket) -> Work<E::Output> {
        let admitted = self.floor.quarantine.check(&key).and_then(|()| self.floor.shares.enter(&owner));
        let share = match admitted {
            Ok(share) => share,
            Err(refusal) => return Work::Done(Err(refusal)),
        };
        let name = Name { key, owner };
        let render = Render::new(name, share, Arc::clone(&self.engine), Arc::clone(&self.floor), ticket);
        // Kept, so that a render that is abandoned is still watched; it drops a queued job by itself.
        Work::kept(render.run(job))
    }
}

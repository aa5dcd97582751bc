use std::time::Duration;

use crate::cache::CacheHandle;
use crate::gate::Gate;
use crate::handle::{Ask, Door};
use crate::host::{Serve, State, Work};
use crate::lock::LockHandle;
use crate::storage::StorageHandle;
use crate::ticket::Ticket;
use crate::transform::{Engine, TransformHandle};
use crate::vocab::Deadline;

/// Makes an actor panic in its handler, as a fault of this program would.
pub trait Crash {
    /// Sends the message that panics; the actor is rebuilt after it.
    fn crash(&self);
}

struct Panic;

impl Ask for Panic {
    type Reply = ();
}

impl<S: State> Serve<Panic> for S {
    fn serve(&mut self, _: Panic, _: &Ticket) -> Work<()> {
        panic!("a scripted panic")
    }
}

impl<S: State> Crash for Door<S> {
    fn crash(&self) {
        let told = self.tell(&Gate::counting("crashes", 1), Panic, Deadline::within(Duration::from_secs(60)));
        told.expect("an actor that is to crash is up");
    }
}

impl Crash for StorageHandle {
    fn crash(&self) {
        self.door.crash();
    }
}

impl Crash for CacheHandle {
    fn crash(&self) {
        self.door.crash();
    }
}

impl<T: Clone + Send + Sync + 'static> Crash for LockHandle<T> {
    fn crash(&self) {
        self.door.crash();
    }
}

impl<E: Engine> Crash for TransformHandle<E> {
    fn crash(&self) {
        self.door.crash();
    }
}

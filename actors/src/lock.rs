//! Lock.

mod port;
mod settings;
mod stats;

pub use port::*;
pub use settings::LockSettings;
pub use stats::LockStats;

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::vocab::{Deadline, Key, StopFlag};
use crate::{Fault, TreeBuilder};

/// The way to the flights. Cheap to clone.
pub struct LockHandle<T>(PhantomData<fn() -> T>);

/// What the work of a flight is given.
#[derive(Clone, Debug)]
pub struct FlightContext {
    /// The flight's own deadline.
    pub deadline: Deadline,
    /// Raised when the last waiter leaves or the deadline passes.
    pub stop: StopFlag,
}

/// What a flight is to do. Cheap to clone.
pub struct Errand<T>(PhantomData<fn() -> T>);

impl<T: Clone + Send + Sync + 'static> Errand<T> {
    /// An errand that does `work`. It may be begun a second time when the first flight fails by panic or restart.
    pub fn new<F>(work: impl Fn(FlightContext) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        todo!()
    }
    /// Where to look for the result that another instance may have made meanwhile.
    #[must_use]
    pub fn looking<F>(self, look: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        todo!()
    }
}

impl<T: Clone + Send + Sync + 'static> LockHandle<T> {
    /// Joins the flight for `key`, starting it if there is none.
    pub async fn join(&self, key: &Key, deadline: Deadline, errand: Errand<T>) -> Result<T, Fault> {
        todo!()
    }
}

impl TreeBuilder {
    /// Adds the lock actor.
    pub fn lock<T: Clone + Send + Sync + 'static>(
        &mut self,
        settings: LockSettings,
        lease: Option<Arc<dyn Lease>>,
    ) -> LockHandle<T> {
        todo!()
    }
}

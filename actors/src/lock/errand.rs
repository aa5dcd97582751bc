use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::fault::Fault;
use crate::vocab::{Deadline, StopFlag};

type Work<T> = dyn Fn(FlightContext) -> BoxFuture<'static, Result<T, Fault>> + Send + Sync;
type Look<T> = dyn Fn() -> BoxFuture<'static, Option<T>> + Send + Sync;

/// What the work of a flight is given.
#[derive(Clone, Debug)]
pub struct FlightContext {
    /// The flight's own deadline, whoever waits for it.
    pub deadline: Deadline,
    /// Raised when the last waiter leaves or the deadline passes. The work is dropped then; the flag is for what it
    /// handed elsewhere.
    pub stop: StopFlag,
}

/// What a flight is to do. Cheap to clone.
pub struct Errand<T> {
    work: Arc<Work<T>>,
    look: Option<Arc<Look<T>>>,
}

impl<T: Clone + Send + Sync + 'static> Errand<T> {
    /// An errand that does `work`. Only the errand of the first who joins is done; it is begun a second time when the
    /// first flight ended by a panic.
    pub fn new<F>(work: impl Fn(FlightContext) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        Self { work: Arc::new(move |context| work(context).boxed()), look: None }
    }

    /// Where to look for the result when another instance held the lease and may have made it meanwhile.
    #[must_use]
    pub fn looking<F>(self, look: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        Self { look: Some(Arc::new(move || look().boxed())), ..self }
    }

    pub(super) fn begin(&self, context: FlightContext) -> BoxFuture<'static, Result<T, Fault>> {
        (self.work)(context)
    }

    pub(super) async fn look(&self) -> Option<T> {
        match &self.look {
            Some(look) => look().await,
            None => None,
        }
    }
}

impl<T> Clone for Errand<T> {
    fn clone(&self) -> Self {
        Self { work: Arc::clone(&self.work), look: self.look.clone() }
    }
}

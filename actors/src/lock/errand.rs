use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::epoch::Epoch;
use crate::fault::Fault;
use crate::vocab::{Deadline, StopFlag};

type Work<T> = dyn Fn(FlightContext) -> BoxFuture<'static, Result<T, Fault>> + Send + Sync;
type Look<T> = dyn Fn(Epoch) -> BoxFuture<'static, Option<T>> + Send + Sync;
type Publish<T> = dyn Fn(&T, &Epoch) -> BoxFuture<'static, ()> + Send + Sync;

/// What the work of a flight is given.
#[derive(Clone, Debug)]
pub struct FlightContext {
    /// The flight's own deadline, whoever waits for it.
    pub deadline: Deadline,
    /// Raised when the last waiter leaves or the deadline passes. The work is dropped then; the flag is for what it
    /// handed elsewhere.
    pub stop: StopFlag,
    /// The epoch that the flight began under. What is made is for later requests only while it lasts.
    pub epoch: Epoch,
    /// Whether another instance may have made the result since the caller looked for it.
    pub look_again: bool,
}

/// What a flight is to do. Cheap to clone.
pub struct Errand<T> {
    work: Arc<Work<T>>,
    look: Option<Arc<Look<T>>>,
    publish: Option<Arc<Publish<T>>>,
}

impl<T: Clone + Send + Sync + 'static> Errand<T> {
    /// An errand that does `work`. Only the errand of the first who joins is done; it is begun a second time when the
    /// first flight ended by a panic.
    pub fn new<F>(work: impl Fn(FlightContext) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        Self { work: Arc::new(move |context| work(context).boxed()), look: None, publish: None }
    }

    /// Where to look for the result when another instance held the lease and may have made it meanwhile.
    #[must_use]
    pub fn looking<F>(self, look: impl Fn(Epoch) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        Self { look: Some(Arc::new(move |epoch| look(epoch).boxed())), ..self }
    }

    /// How a result is kept for later requests: begun by the call, for as long as the future it returns waits until
    /// other instances can find it. Dropping that future undoes nothing. A result is not published when the lease was
    /// lost while it was made: by then another instance may have made a newer one.
    #[must_use]
    pub fn publishing<F>(self, publish: impl Fn(&T, &Epoch) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { publish: Some(Arc::new(move |made, epoch| publish(made, epoch).boxed())), ..self }
    }

    pub(super) fn begin(&self, context: FlightContext) -> BoxFuture<'static, Result<T, Fault>> {
        (self.work)(context)
    }

    pub(super) fn publish(&self, made: &T, epoch: &Epoch) -> Option<BoxFuture<'static, ()>> {
        self.publish.as_ref().map(|publish| publish(made, epoch))
    }

    pub(super) async fn look(&self, epoch: &Epoch) -> Option<T> {
        match &self.look {
            Some(look) => look(epoch.clone()).await,
            None => None,
        }
    }
}

impl<T> Clone for Errand<T> {
    fn clone(&self) -> Self {
        Self { work: Arc::clone(&self.work), look: self.look.clone(), publish: self.publish.clone() }
    }
}

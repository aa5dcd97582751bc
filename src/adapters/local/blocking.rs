use std::sync::{Arc, Weak};

use mortar_actors::{Fault, FaultKind};

/// Whoever waits for file work. Kept in the future that is waited for, and dropped with it.
#[derive(Default)]
pub(super) struct Caller(Arc<()>);

/// Tells file work whether anybody still waits for it.
pub(super) struct Awaited(Weak<()>);

impl Caller {
    pub(super) fn awaited(&self) -> Awaited {
        Awaited(Arc::downgrade(&self.0))
    }
}

impl Awaited {
    /// To be asked right before what cannot be taken back.
    ///
    /// # Errors
    /// `Cancelled` when the caller has left, as after a time-out.
    pub(super) fn still(&self) -> Result<(), Fault> {
        match self.0.strong_count() {
            0 => Err(Fault::new(FaultKind::Cancelled, "nobody waits for this change any more")),
            _ => Ok(()),
        }
    }
}

/// Does file work on the blocking pool. The work goes on to its end when the caller leaves; what it owns is dropped
/// there.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => Err(Fault::new(FaultKind::Panicked, "reading or writing a file panicked")),
        Err(error) => Err(Fault::new(FaultKind::Cancelled, "the service is stopping").caused_by(error)),
    }
}

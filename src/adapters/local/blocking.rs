use mortar_actors::{Fault, FaultKind};

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

//! What the client library reports, as faults. The one place that knows its errors.

use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind};
use deadpool_redis::{PoolError, cluster};
use mortar_actors::{Fault, FaultKind};

/// A server that answers "full" or "read only" lives and may still be read from; only silence and broken connections
/// are faults that a breaker counts.
pub(super) fn failed(error: RedisError) -> Fault {
    let (kind, message) = match error.kind() {
        _ if error.is_timeout() => (FaultKind::TimedOut, "the shared Redis took too long"),
        _ if error.code() == Some("OOM") => (FaultKind::Overloaded, "the shared Redis is full"),
        ErrorKind::Server(ServerErrorKind::ReadOnly) => (FaultKind::Unsupported, "the shared Redis is read only"),
        _ => (FaultKind::Upstream, "the shared Redis failed"),
    };
    Fault::new(kind, message).caused_by(error)
}

/// No connection to a single server.
pub(super) fn unconnected(error: PoolError) -> Fault {
    match error {
        PoolError::Backend(error) => failed(error),
        error @ PoolError::Timeout(_) => {
            Fault::new(FaultKind::TimedOut, "no connection to the shared Redis was free in time").caused_by(error)
        }
        error => Fault::new(FaultKind::Upstream, "the shared Redis cannot be reached").caused_by(error),
    }
}

/// No connection to a cluster.
pub(super) fn cluster_unconnected(error: cluster::PoolError) -> Fault {
    unconnected(error)
}

/// Whether the connection that reported this is of no use any more.
pub(super) fn breaks_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.is_timeout()
}

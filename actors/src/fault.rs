//! The one error type of actors and ports: what kind, whose side, whether to try again.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What went wrong. Each kind has one side, one retry rule and, in the service, one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The object does not exist. The only kind that counts as a miss.
    NotFound,
    /// The request itself cannot be understood or carried out as asked.
    Invalid,
    /// The request is understood and refused: an address or host that may not be reached.
    Forbidden,
    /// What is there is not what the request expects: a conditional write was not made.
    PreconditionFailed,
    /// Something is larger than its configured limit.
    TooLarge,
    /// The source cannot be decoded: corrupt, truncated, or not a picture.
    Unprocessable,
    /// The asked byte range lies outside the object, which has `total` bytes.
    RangeNotSatisfiable {
        /// Size of the whole object in bytes.
        total: u64,
    },
    /// This store or engine cannot do that at all.
    Unsupported,
    /// A gate is full. Nothing was started.
    Overloaded,
    /// The actor is being rebuilt, or has given up.
    Restarting,
    /// The deadline passed.
    TimedOut,
    /// The object exists, but lies in an archive from which it cannot be read at once.
    Archived,
    /// A store or origin failed or broke its word.
    Upstream,
    /// A store that is well takes no writes: it is full, or may only be read. Nothing was written.
    Unwritable,
    /// Nobody waited for the answer any more.
    Cancelled,
    /// The work panicked; the fence caught it.
    Panicked,
    /// A fault of this program.
    Internal,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The requester can mend it.
    Client,
    /// A store or origin can mend it.
    Upstream,
    /// The operator or time can mend it.
    Server,
}

/// Whether asking again helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail again.
    Never,
    /// An idempotent request may be sent again at once.
    Now,
    /// It may work after a while.
    Later,
}

impl FaultKind {
    /// Whose fault this kind is.
    pub fn side(self) -> Side {
        match self {
            Self::NotFound
            | Self::Invalid
            | Self::Forbidden
            | Self::PreconditionFailed
            | Self::TooLarge
            | Self::Unprocessable
            | Self::RangeNotSatisfiable { .. }
            | Self::Unsupported
            | Self::Cancelled => Side::Client,
            Self::TimedOut | Self::Upstream | Self::Unwritable | Self::Archived => Side::Upstream,
            Self::Overloaded | Self::Restarting | Self::Panicked | Self::Internal => Side::Server,
        }
    }

    /// Whether asking again helps.
    pub fn retry(self) -> Retry {
        match self {
            Self::Restarting => Retry::Now,
            Self::Overloaded | Self::TimedOut | Self::Upstream | Self::Unwritable | Self::Archived => Retry::Later,
            _ => Retry::Never,
        }
    }
}

/// A typed error. Cheap to clone, since everyone who joined a flight receives the same one.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: FaultKind,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with a message for the requester: it names no path, address or secret of this installation.
    pub fn new(kind: FaultKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), retry_after: None, source: None }
    }

    /// Keeps the cause for the log. It is never shown to the requester.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Says how long to wait before asking again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The message for the requester.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How long to wait before asking again, where it is known.
    pub fn wait_before_retry(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether this is the one kind that counts as a miss.
    pub fn is_not_found(&self) -> bool {
        self.kind == FaultKind::NotFound
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

use std::time::Duration;

use tokio::time::Instant;

/// The moment after which nobody wants the answer any more.
///
/// A deadline is set once, at the edge, and carried through every hop, so that time-outs never add up. It reads
/// tokio's clock, which tests pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `patience` from now; one that the clock cannot tell is thirty years away.
    pub fn within(patience: Duration) -> Self {
        const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        let now = Instant::now();
        Self(now.checked_add(patience).unwrap_or(now + FAR))
    }

    /// The earlier of this deadline and the one `patience` from now.
    #[must_use]
    pub fn at_most(self, patience: Duration) -> Self {
        self.min(Self::within(patience))
    }

    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left of it; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }
}

//! A breaker: stops asking what fails again and again, and tries one ask after a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::fault::{Fault, FaultKind};

/// When to stop asking, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// This many upstream faults or time-outs in a row open the breaker. Default 5.
    pub failures: u32,
    /// How long nothing is asked then, before one ask goes through as a probe. Default 5 s.
    pub cool_down: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, cool_down: Duration::from_secs(5) }
    }
}

/// Counts failures in a row. Only `Upstream` and `TimedOut` count: every other answer shows that the other side lives. A
/// disk that is full, for one, is still read.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// Lets the ask through, or refuses it while the breaker is open. The first ask after the cool-down is the probe:
    /// until its outcome is told, or another cool-down has passed, all others are refused.
    pub(crate) fn admit(&self) -> Result<(), Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = state.open_until else { return Ok(()) };
        let now = Instant::now();
        if now >= until {
            state.open_until = Some(now + self.settings.cool_down);
            return Ok(());
        }
        let wait = until - now;
        Err(Fault::new(FaultKind::Upstream, "the other side failed repeatedly and is given a rest").retry_after(wait))
    }

    /// Learns the outcome of an ask that was let through.
    pub(crate) fn learn<T>(&self, outcome: &Result<T, Fault>) {
        let failed =
            outcome.as_ref().is_err_and(|fault| matches!(fault.kind(), FaultKind::Upstream | FaultKind::TimedOut));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= self.settings.failures {
            state.open_until = Some(Instant::now() + self.settings.cool_down);
        }
    }

    /// Whether asks are refused or on trial.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Upstream, "down"))
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let breaker = Breaker::new(BreakerSettings { failures: 2, cool_down: Duration::from_secs(5) });
        breaker.learn(&failed());
        assert!(breaker.admit().is_ok());
        breaker.learn(&failed());
        let refusal = breaker.admit().unwrap_err();
        assert_eq!(refusal.kind(), FaultKind::Upstream);
        assert_eq!(refusal.wait_before_retry(), Some(Duration::from_secs(5)));

        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(breaker.admit().is_ok(), "the probe");
        assert!(breaker.admit().is_err(), "only one probe");
        breaker.learn(&Ok(()));
        assert!(breaker.admit().is_ok());
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_any_other_kind_closes_it() {
        let breaker = Breaker::new(BreakerSettings { failures: 1, cool_down: Duration::from_secs(5) });
        breaker.learn(&failed());
        assert!(breaker.is_open());
        breaker.learn::<()>(&Err(Fault::new(FaultKind::NotFound, "no such object")));
        assert!(!breaker.is_open());
        for _ in 0..9 {
            breaker.learn::<()>(&Err(Fault::new(FaultKind::Unwritable, "full")));
        }
        assert!(!breaker.is_open());
    }
}

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::SupervisionSettings;

/// Waits between rebuilds: doubled with each failure in a row, spread by jitter so that many actors that fail together
/// do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
    jitter: StdRng,
}

impl Backoff {
    pub(super) fn new(settings: &SupervisionSettings) -> Self {
        let jitter = settings.jitter_seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        Self { first: settings.backoff_first, max: settings.backoff_max, next: settings.backoff_first, jitter }
    }

    /// The wait before the next rebuild: between half of the step and the whole of it.
    pub(super) fn next(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.max);
        self.spread(step)
    }

    /// The shortest wait; it does not count as one of the row.
    pub(super) fn shortest(&mut self) -> Duration {
        self.spread(self.first)
    }

    /// Begins anew after a long enough life.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    fn spread(&mut self, step: Duration) -> Duration {
        step.mul_f64(self.jitter.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_maximum_with_at_most_half_taken_off() {
        let mut backoff = Backoff::new(&SupervisionSettings { jitter_seed: Some(7), ..Default::default() });
        for step_millis in [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let wait = backoff.next();
            let step = Duration::from_millis(step_millis);
            assert!(wait <= step && wait >= step / 2, "{wait:?} of {step:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(50));
    }
}

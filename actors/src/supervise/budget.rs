use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So many restarts within a period are borne.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    period: Duration,
    charged: VecDeque<Instant>,
}

impl Budget {
    pub(super) fn new(limit: usize, period: Duration) -> Self {
        Self { limit, period, charged: VecDeque::new() }
    }

    /// Charges one restart; `false` when the budget is spent.
    pub(super) fn charge(&mut self) -> bool {
        let now = Instant::now();
        while self.charged.front().is_some_and(|at| now.duration_since(*at) >= self.period) {
            self.charged.pop_front();
        }
        if self.charged.len() >= self.limit {
            return false;
        }
        self.charged.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_spent_within_its_period_and_recovers_after_it() {
        let mut budget = Budget::new(2, Duration::from_secs(30));
        assert!(budget.charge());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(budget.charge());
        assert!(!budget.charge());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(budget.charge(), "the first is forgotten");
        assert!(!budget.charge());
    }
}

//! When requests are due and when there are no more.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Hands out the numbers of requests, to any number of connections.
#[derive(Debug)]
pub(crate) struct Pace {
    next: AtomicU64,
    requests: u64,
    time: Option<Duration>,
    /// Requests a second, where they are not asked as fast as they are answered.
    rate: Option<f64>,
}

/// The right to ask once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) number: u64,
    /// From when on its latency counts.
    pub(crate) due: Instant,
    /// How late this tool itself was.
    pub(crate) late: Duration,
}

impl Pace {
    /// So many requests at most, within so long. Without both it would never end; callers give one of them.
    pub(crate) fn new(requests: Option<u64>, time: Option<Duration>, rate: Option<f64>) -> Self {
        Self { next: AtomicU64::new(0), requests: requests.unwrap_or(u64::MAX), time, rate }
    }

    /// How much of it is done, 0 to 1, so long after the begin.
    pub(crate) fn progress(&self, ended: u64, elapsed: Duration) -> f64 {
        let by_count = ended as f64 / self.requests as f64;
        let by_time = self.time.map_or(0.0, |time| elapsed.as_secs_f64() / time.as_secs_f64());
        by_count.max(by_time).min(1.0)
    }

    /// The next turn, as soon as it is due. `begun` is when the first one was.
    ///
    /// With a rate, a turn that was due while no connection was free counts from when it was due, so that a server that
    /// stalls cannot hide it. One that a free connection waited for counts from when it is really asked: timers are a
    /// millisecond late, and that is not the server's doing.
    pub(crate) async fn turn(&self, begun: Instant) -> Option<Turn> {
        let number = self.next.fetch_add(1, Relaxed);
        if number >= self.requests {
            return None;
        }
        let free = Instant::now();
        let Some(rate) = self.rate else {
            let over = self.time.is_some_and(|time| free.duration_since(begun) >= time);
            return (!over).then_some(Turn { number, due: free, late: Duration::ZERO });
        };
        let after = Duration::from_secs_f64(number as f64 / rate);
        if self.time.is_some_and(|time| after >= time) {
            return None;
        }
        let due = begun + after;
        if due <= free {
            return Some(Turn { number, due, late: Duration::ZERO });
        }
        sleep_until(due).await;
        let now = Instant::now();
        Some(Turn { number, due: now, late: now.duration_since(due) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_makes_turns_due_one_after_the_other_until_the_time_is_over() {
        let pace = Pace::new(None, Some(Duration::from_secs(1)), Some(4.0));
        let begun = Instant::now();
        let mut due = Vec::new();
        while let Some(turn) = pace.turn(begun).await {
            due.push(turn.due.duration_since(begun).as_millis());
        }
        assert_eq!(due, [0, 250, 500, 750]);
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_no_connection_was_free_counts_as_latency() {
        let pace = Pace::new(Some(10), None, Some(10.0));
        let begun = Instant::now();
        pace.turn(begun).await.unwrap();
        sleep_until(begun + Duration::from_secs(5)).await;
        let turn = pace.turn(begun).await.unwrap();
        assert_eq!(Instant::now().duration_since(turn.due), Duration::from_millis(4900));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_turns_are_due_at_once_and_counted() {
        let pace = Pace::new(Some(2), None, None);
        let begun = Instant::now();
        assert!(pace.turn(begun).await.is_some());
        assert!(pace.turn(begun).await.is_some());
        assert!(pace.turn(begun).await.is_none());
        assert_eq!(Instant::now(), begun);
    }
}

//! When requests are due and when there are no more.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Hands out the numbers of requests, to any number of connections.
#[derive(Debug)]
pub(crate) struct Pace {
    next: AtomicU64,
    bounds: Bounds,
    /// Requests a second, where they are not asked as fast as they are answered.
    rate: Option<f64>,
    beat: OnceLock<Beat>,
}

/// How many turns there are, and for how long.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    requests: u64,
    time: Option<Duration>,
}

/// Says when the next turn is due. A runtime's timers know whole milliseconds, in which a storm has several requests: they
/// would be asked all at once, and wait for each other at the server.
#[derive(Debug)]
struct Beat {
    begun: Instant,
    /// One permit for each turn that is due, and permits for everybody after the last.
    due: Arc<Semaphore>,
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
        let bounds = Bounds { requests: requests.unwrap_or(u64::MAX), time };
        Self { next: AtomicU64::new(0), bounds, rate, beat: OnceLock::new() }
    }

    /// How much of it is done, 0 to 1, so long after the begin.
    pub(crate) fn progress(&self, ended: u64, elapsed: Duration) -> f64 {
        let by_count = ended as f64 / self.bounds.requests as f64;
        let by_time = self.bounds.time.map_or(0.0, |time| elapsed.as_secs_f64() / time.as_secs_f64());
        by_count.max(by_time).min(1.0)
    }

    /// The next turn, as soon as it is due. `begun` is when the first one was, where there is no rate.
    ///
    /// With a rate, a turn that was due while no connection was free counts from when it was due, so that a server that
    /// stalls cannot hide it. One that a free connection waited for counts from when it is really asked: what a timer is
    /// late is not the server's doing.
    pub(crate) async fn turn(&self, begun: Instant) -> Option<Turn> {
        let free = Instant::now();
        let Some(rate) = self.rate else {
            let number = self.next.fetch_add(1, Relaxed);
            let has_turn = self.bounds.admit(number, free.duration_since(begun));
            return has_turn.then_some(Turn { number, due: free, late: Duration::ZERO });
        };
        let beat = self.beat.get_or_init(|| Beat::start(rate, self.bounds));
        beat.due.acquire().await.ok()?.forget();
        let number = self.next.fetch_add(1, Relaxed);
        let after = due_after(number, rate);
        self.bounds.admit(number, after).then(|| Turn::at(number, beat.begun + after, free, Instant::now()))
    }
}

impl Bounds {
    /// Whether there is a turn of that number, so long after the first.
    fn admit(self, number: u64, after: Duration) -> bool {
        number < self.requests && self.time.is_none_or(|time| after < time)
    }
}

impl Turn {
    fn at(number: u64, due: Instant, free: Instant, now: Instant) -> Self {
        if due <= free {
            return Self { number, due, late: Duration::ZERO };
        }
        Self { number, due: now, late: now.duration_since(due) }
    }
}

impl Beat {
    fn start(rate: f64, bounds: Bounds) -> Self {
        let (begun, due) = (Instant::now(), Arc::new(Semaphore::new(0)));
        let beaten = Arc::downgrade(&due);
        thread::spawn(move || beat(begun, rate, bounds, &beaten));
        Self { begun, due }
    }
}

/// Goes on as long as there are turns, and somebody to take them.
#[expect(clippy::disallowed_methods, reason = "this thread is there to sleep; the timers of a runtime are too coarse")]
fn beat(begun: Instant, rate: f64, bounds: Bounds, due: &Weak<Semaphore>) {
    let turns = (0..).map(|number| (number, due_after(number, rate)));
    for (_, after) in turns.take_while(|(number, after)| bounds.admit(*number, *after)) {
        thread::sleep((begun + after).saturating_duration_since(Instant::now()));
        match due.upgrade() {
            Some(due) => due.add_permits(1),
            None => return,
        }
    }
    // Whoever waits learns that there are no more.
    if let Some(due) = due.upgrade() {
        due.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

fn due_after(number: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rate_makes_turns_due_one_after_the_other_until_the_time_is_over() {
        let pace = Pace::new(None, Some(Duration::from_millis(50)), Some(200.0));
        let begun = Instant::now();
        let mut numbers = Vec::new();
        while let Some(turn) = pace.turn(begun).await {
            assert!(turn.due.duration_since(begun) >= due_after(turn.number, 200.0));
            numbers.push(turn.number);
        }
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_rate_ends_with_the_number_of_requests() {
        let pace = Pace::new(Some(3), None, Some(10_000.0));
        for number in 0..3 {
            assert_eq!(pace.turn(Instant::now()).await.unwrap().number, number);
        }
        assert!(pace.turn(Instant::now()).await.is_none());
    }

    #[test]
    fn time_that_no_connection_was_free_counts_as_latency_and_that_of_the_timer_does_not() {
        let due = Instant::now();
        let after = |milliseconds| due + Duration::from_millis(milliseconds);
        let kept_waiting = Turn::at(7, due, after(3), after(4));
        assert_eq!((kept_waiting.due, kept_waiting.late), (due, Duration::ZERO));
        let late = Turn::at(7, after(3), due, after(5));
        assert_eq!((late.due, late.late), (after(5), Duration::from_millis(2)));
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

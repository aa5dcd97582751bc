//! Renders that take time on the paused clock.
//!
//! Tokio moves a paused clock on by itself only while no CPU thread is busy, so a render that takes time would stop it for
//! ever. Whoever drives the schedule hears of such renders and moves the clock on for them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use mortar_actors::fakes::{Counted, Gauge};
use mortar_actors::transform::{Engine, Estimate};
use mortar_actors::{Fault, StopFlag};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long the clock stands still at most, by the wall clock, before a render gives up: the test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// One render.
pub(crate) struct Job {
    pub(crate) source: Bytes,
    pub(crate) plan: String,
    pub(crate) conduct: Conduct,
    pub(crate) estimate: Estimate,
    /// Lives as long as the job.
    pub(crate) _payload: Counted,
}

/// What a render does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conduct {
    /// Takes so long.
    Takes(Duration),
    /// Takes so long without ever looking at its flag.
    Deaf(Duration),
    /// Ends when nobody wants it.
    Hangs,
    Panics,
    PanicsInEstimate,
}

/// An engine all of whose renders go by one clockwork.
#[derive(Clone, Default)]
pub(crate) struct Clockwork {
    dial: Arc<Dial>,
    /// Renders under way.
    pub(crate) running: Gauge,
}

#[derive(Default)]
struct Dial {
    hands: Mutex<Hands>,
    moved: Condvar,
    /// A render waits for time to pass.
    stalled: Notify,
}

#[derive(Default)]
struct Hands {
    ticks: u64,
    /// Renders that wait for the next tick.
    waiting: usize,
    /// Renders that have not looked at the clock since it moved.
    reacting: usize,
}

impl Clockwork {
    /// Lets time pass until then.
    pub(crate) async fn run_until(&self, end: Instant) {
        const STEP: Duration = Duration::from_millis(25);
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(end) => return,
                () = self.dial.stalled.notified() => self.tick(STEP.min(end.duration_since(Instant::now()))).await,
            }
        }
    }

    async fn tick(&self, step: Duration) {
        for _ in 0..40 {
            tokio::task::yield_now().await;
        }
        if self.hands().waiting == 0 {
            return;
        }
        tokio::time::advance(step).await;
        {
            let mut hands = self.hands();
            hands.ticks += 1;
            hands.reacting = std::mem::take(&mut hands.waiting);
            self.dial.moved.notify_all();
        }
        while self.hands().reacting > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// On the thread of a render: waits until something is so, looking whenever the clock has moved.
    fn wait_until(&self, condition: impl Fn() -> bool) {
        let mut hands = self.hands();
        while !condition() {
            hands.waiting += 1;
            self.dial.stalled.notify_one();
            let seen = hands.ticks;
            let waited = self.dial.moved.wait_timeout_while(hands, PATIENCE, |hands| hands.ticks == seen).unwrap();
            assert!(!waited.1.timed_out(), "the clock stands still");
            hands = waited.0;
            hands.reacting -= 1;
        }
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.dial.hands.lock().unwrap()
    }
}

impl Engine for Clockwork {
    type Job = Job;
    type Output = Bytes;

    fn estimate(&self, job: &Job) -> Result<Estimate, Fault> {
        match job.conduct {
            Conduct::PanicsInEstimate => panic!("a scripted panic"),
            _ => Ok(job.estimate),
        }
    }

    fn render(&self, job: Job, stop: &StopFlag) -> Result<Bytes, Fault> {
        let _running = self.running.count();
        let has_passed = |time: Duration| {
            let end = Instant::now() + time;
            move || Instant::now() >= end
        };
        match job.conduct {
            Conduct::Takes(time) => {
                let done = has_passed(time);
                self.wait_until(|| done() || stop.is_raised());
                stop.check()?;
            }
            Conduct::Deaf(time) => self.wait_until(has_passed(time)),
            Conduct::Hangs => {
                self.wait_until(|| stop.is_raised());
                stop.check()?;
            }
            Conduct::Panics | Conduct::PanicsInEstimate => panic!("a scripted panic"),
        }
        Ok([job.plan.as_bytes(), b" of ", &job.source].concat().into())
    }
}

//! Running load while looking at the server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::cli::Options;
use crate::plan;
use crate::progress::Progress;
use crate::record::Lately;
use crate::report::{Phase, Sample, Usage};
use crate::run::Run;
use crate::watch::{Reading, Watch};

/// How often a server that comes to rest is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// For how long memory must not have fallen any more before it counts as settled.
const STEADY: Duration = Duration::from_secs(3);

/// Runs load and writes down how the server does meanwhile.
#[derive(Debug)]
pub(crate) struct Observer {
    watch: Watch,
    progress: Progress,
    sample_every: Duration,
    settle: Duration,
    begun: Instant,
    pub(crate) samples: Vec<Sample>,
}

/// Load that is carried out beside other load.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) name: String,
    pub(crate) run: Arc<Run>,
    pub(crate) connections: usize,
    /// Whether it has a thread to itself: what is asked and answered there never waits, in this tool, for other load.
    pub(crate) apart: bool,
}

impl Load {
    fn begin(&self) -> JoinHandle<io::Result<Duration>> {
        let (run, connections) = (Arc::clone(&self.run), self.connections);
        let carried_out = async move { run.carry_out(connections).await };
        if !self.apart {
            return tokio::spawn(carried_out);
        }
        tokio::task::spawn_blocking(|| Builder::new_current_thread().enable_all().build()?.block_on(carried_out))
    }
}

impl Observer {
    /// # Errors
    /// When the internal pages have an address that cannot be resolved.
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let internal = options.internal.as_deref().map(plan::resolve).transpose()?;
        Ok(Self {
            watch: Watch::new(internal, options.pid),
            progress: Progress::new(options.quiet),
            sample_every: options.sample_every.max(Duration::from_millis(10)),
            settle: options.settle,
            begun: Instant::now(),
            samples: Vec::new(),
        })
    }

    /// What the server holds now.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(crate) async fn reading(&mut self) -> io::Result<Reading> {
        self.watch.reading().await
    }

    /// Carries out one stretch of load.
    ///
    /// # Errors
    /// When connections cannot be opened, or the server cannot be looked at.
    pub(crate) async fn run(&mut self, load: Load) -> io::Result<Phase> {
        let mut phases = self.run_all(vec![load]).await?;
        Ok(phases.remove(0))
    }

    /// Carries out several stretches of load at once. Samples tell the latencies of the first.
    ///
    /// # Errors
    /// As [`Observer::run`].
    pub(crate) async fn run_all(&mut self, loads: Vec<Load>) -> io::Result<Vec<Phase>> {
        self.watch.forget_peak();
        let before = self.reading().await?;
        let begun = Instant::now();
        let tasks: Vec<_> = loads.iter().map(Load::begin).collect();
        self.sample_until(&loads, begun, || tasks.iter().all(|task| task.is_finished())).await?;
        let after = self.reading().await?;
        self.progress.clear();
        let answered: u64 = loads.iter().map(|load| load.run.recorder.tally().answered()).sum();
        let usage = Usage::between(&before, &after, answered, self.peak_since(begun));
        let mut phases = Vec::new();
        for (load, task) in loads.iter().zip(tasks) {
            let took = task.await.map_err(io::Error::other)??;
            phases.push(Phase::new(&load.name, &load.run, took, usage));
        }
        Ok(phases)
    }

    /// Waits until nothing is under way, no more descriptors are open than before, and memory has stopped to fall; or
    /// for as long as the server is given. Gives what it holds then.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(crate) async fn settled(&mut self, before: &Reading) -> io::Result<Reading> {
        let mut reading = self.reading().await?;
        if !self.watch.sees() {
            return Ok(reading);
        }
        let begun = Instant::now();
        let (mut lowest, mut lowest_at) = (u64::MAX, Instant::now());
        while begun.elapsed() < self.settle {
            self.progress.say("waiting for the server to come to rest");
            let resident = reading.resident_bytes.unwrap_or_default();
            // A page more or less is noise.
            if resident < lowest.saturating_sub(lowest / 200) {
                (lowest, lowest_at) = (resident, Instant::now());
            }
            let closed = reading.descriptors <= before.descriptors || before.descriptors.is_none();
            if reading.is_at_rest() && closed && lowest_at.elapsed() >= STEADY {
                break;
            }
            self.sample(Lately::default(), Duration::ZERO, reading);
            sleep(LOOK).await;
            reading = self.reading().await?;
        }
        self.progress.clear();
        self.sample(Lately::default(), Duration::ZERO, reading.clone());
        Ok(reading)
    }

    async fn sample_until(&mut self, loads: &[Load], begun: Instant, ended: impl Fn() -> bool) -> io::Result<()> {
        let Some(first) = loads.first() else { return Ok(()) };
        let mut ticks = interval(self.sample_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut looked = Instant::now();
        while !ended() {
            // The last stretch is cut short when the load has ended.
            let tick = ticks.tick();
            tokio::pin!(tick);
            while !ended() && tokio::time::timeout(Duration::from_millis(20), &mut tick).await.is_err() {}
            let lately = first.run.recorder.lately();
            let since = looked.elapsed();
            looked = Instant::now();
            let reading = self.reading().await?;
            let done = first.run.pace.progress(lately.ended, begun.elapsed());
            self.progress.draw(&first.name, done, lately, since, &reading);
            self.sample(lately, since, reading);
        }
        Ok(())
    }

    fn sample(&mut self, lately: Lately, since: Duration, reading: Reading) {
        let at = self.begun.elapsed();
        self.samples.push(Sample::new(at, lately, since, reading));
    }

    /// The most memory that was seen since then.
    fn peak_since(&self, begun: Instant) -> Option<u64> {
        let from = begun.duration_since(self.begun).as_secs_f64();
        self.samples.iter().filter(|sample| sample.at >= from).filter_map(|sample| sample.server.resident_bytes).max()
    }

    /// Seconds since the tool began, for what is marked in plots.
    pub(crate) fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// The watch, for pages beside the readings.
    pub(crate) fn another_watch(&self, options: &Options) -> io::Result<Watch> {
        Ok(Watch::new(options.internal.as_deref().map(plan::resolve).transpose()?, None))
    }
}

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::{Counted, Gauge};
use crate::fault::{Fault, FaultKind};
use crate::transform::{Engine, Estimate};
use crate::vocab::StopFlag;

/// How long a render waits for its next stage, by the wall clock.
const PATIENCE: Duration = Duration::from_secs(20);

/// An engine that does as its jobs say.
#[derive(Clone, Debug, Default)]
pub struct FakeEngine {
    /// Engines built; each holds one of these.
    pub built: Gauge,
    /// Renders begun.
    pub begun: Gauge,
    /// Renders under way.
    pub running: Gauge,
    /// Renders that saw their stop flag and ended.
    pub stopped: Gauge,
}

/// One scripted render.
#[derive(Debug)]
pub struct FakeJob {
    /// What it does.
    pub script: RenderScript,
    /// What it claims to need.
    pub memory_bytes: u64,
    /// How much work it claims to be.
    pub work: u64,
    /// Something to count: lives as long as the job.
    pub payload: Option<Counted>,
}

/// What a render does.
#[derive(Clone, Debug)]
pub enum RenderScript {
    /// Gives these bytes.
    Gives(Bytes),
    /// Panics while rendering.
    Panics,
    /// Panics while estimating.
    PanicsInEstimate,
    /// Takes these stages to estimate, and then gives an empty body.
    EstimatesInStages(Stages),
    /// Works in stages, each when told, checking the flag between them, and then gives an empty body.
    InStages(Stages),
    /// As `InStages`, without ever looking at the flag.
    Deaf(Stages),
}

/// Lets a render go on stage by stage.
#[derive(Clone, Debug)]
pub struct Stages(Arc<(Mutex<Allowed>, Condvar)>);

#[derive(Debug)]
struct Allowed {
    stages_left: u32,
    allowed: u32,
}

impl FakeJob {
    /// A job with that script that needs one byte and next to no work.
    pub fn new(script: RenderScript) -> Self {
        Self { script, memory_bytes: 1, work: 1, payload: None }
    }
}

impl Stages {
    /// A render of that many stages, none of them allowed yet.
    pub fn of(stages: u32) -> Self {
        Self(Arc::new((Mutex::new(Allowed { stages_left: stages, allowed: 0 }), Condvar::new())))
    }

    /// Allows the next stage.
    pub fn next(&self) {
        self.0.0.lock().expect("no test panics inside a fake").allowed += 1;
        self.0.1.notify_all();
    }

    /// Allows all stages.
    pub fn finish(&self) {
        self.0.0.lock().expect("no test panics inside a fake").allowed = u32::MAX / 2;
        self.0.1.notify_all();
    }

    /// Waits for a stage to be allowed; `false` when there are none left, or when none is allowed for so long that the
    /// test must have ended without allowing one.
    fn pass(&self) -> bool {
        let state = self.0.0.lock().expect("no test panics inside a fake");
        if state.stages_left == 0 {
            return false;
        }
        let waited = self.0.1.wait_timeout_while(state, PATIENCE, |state| state.allowed == 0);
        let (mut state, timeout) = waited.expect("no test panics inside a fake");
        // Another render may have taken the last stage meanwhile.
        if timeout.timed_out() || state.stages_left == 0 {
            return false;
        }
        state.allowed -= 1;
        state.stages_left -= 1;
        true
    }
}

impl FakeEngine {
    /// A factory of engines that share these gauges.
    pub fn factory(&self) -> impl FnMut() -> Self + Send + 'static {
        let gauges = self.clone();
        move || {
            gauges.built.increment();
            gauges.clone()
        }
    }
}

impl Engine for FakeEngine {
    type Job = FakeJob;
    type Output = Bytes;

    fn estimate(&self, job: &FakeJob) -> Result<Estimate, Fault> {
        match &job.script {
            RenderScript::PanicsInEstimate => panic!("a scripted panic"),
            RenderScript::EstimatesInStages(stages) => while stages.pass() {},
            _ => {}
        }
        Ok(Estimate { memory_bytes: job.memory_bytes, work: job.work })
    }

    fn render(&self, job: FakeJob, stop: &StopFlag) -> Result<Bytes, Fault> {
        self.begun.increment();
        let _running = self.running.count();
        match &job.script {
            RenderScript::Gives(bytes) => Ok(bytes.clone()),
            RenderScript::Panics => panic!("a scripted panic"),
            RenderScript::EstimatesInStages(_) => Ok(Bytes::new()),
            RenderScript::PanicsInEstimate => Err(Fault::new(FaultKind::Internal, "the estimate should have panicked")),
            RenderScript::Deaf(stages) => {
                while stages.pass() {}
                Ok(Bytes::new())
            }
            RenderScript::InStages(stages) => {
                while stages.pass() {
                    stop.check().inspect_err(|_| self.stopped.increment())?;
                }
                Ok(Bytes::new())
            }
        }
    }
}

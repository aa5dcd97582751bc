//! The clocks that costs are told by.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Time that passes: for latencies.
    Wall,
    /// CPU time of the calling thread.
    Thread,
    /// CPU time of this whole process.
    Process,
    /// CPU time of a child process; the sides measure it themselves.
    Child,
}

impl Clock {
    /// What one call costs.
    pub(crate) fn time<T>(self, call: impl FnOnce() -> T) -> Duration {
        let now: fn() -> Duration = match self {
            Self::Wall => {
                let begun = Instant::now();
                black_box(call());
                return begun.elapsed();
            }
            Self::Thread => || read(libc::CLOCK_THREAD_CPUTIME_ID),
            Self::Process | Self::Child => || read(libc::CLOCK_PROCESS_CPUTIME_ID),
        };
        let begun = now();
        black_box(call());
        now() - begun
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wall => "wall",
            Self::Thread | Self::Process | Self::Child => "CPU ",
        })
    }
}

/// The CPU time that a running child has used so far.
pub(crate) fn child_cpu(process: u32) -> Duration {
    let mut clock = 0;
    let process = libc::pid_t::try_from(process).expect("process ids are positive");
    // SAFETY: the call writes one id into a variable of this frame.
    let status = unsafe { libc::clock_getcpuclockid(process, &raw mut clock) };
    assert_eq!(status, 0, "the child is gone");
    read(clock)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one struct into a variable of this frame.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(status, 0, "the system has no such clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

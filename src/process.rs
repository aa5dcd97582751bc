//! What this process uses: memory, open descriptors, threads, live tasks; and which of its threads come first.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Handle;

/// A reading of the process, as `/stats` shows it. A figure that this system cannot tell is `None`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ProcessStats {
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// The highest resident memory so far, in bytes.
    pub peak_resident_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_descriptors: Option<u64>,
    /// Operating system threads.
    pub threads: Option<u64>,
    /// Live tasks over all runtimes that are not bound to their thread: flights, renders, work of actors, origin
    /// connections. Client connections and the actors themselves are bound to theirs and are not counted.
    pub tasks: usize,
}

/// The runtimes of this process: one for each HTTP worker and arbiter.
#[derive(Clone, Debug, Default)]
pub struct Runtimes(Arc<Mutex<Vec<Handle>>>);

impl Runtimes {
    /// Counts the tasks of the runtime that this is called on from now on.
    pub fn enrol_current(&self) {
        let mut handles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = Handle::current();
        if handles.iter().all(|known| known.id() != current.id()) {
            handles.push(current);
        }
    }

    fn tasks(&self) -> usize {
        let handles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        handles.iter().map(|handle| handle.metrics().num_alive_tasks()).sum()
    }
}

/// Lets the threads of normal priority run before the calling one, for good: a thread that renders takes a core for tens
/// of milliseconds, and a picture from the cache should not have to wait for that.
pub fn yield_to_others() {
    const NICENESS: libc::c_int = 10;
    // SAFETY: the call takes numbers only; zero stands for the calling thread.
    let lowered = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
    if lowered != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "the priority of a thread cannot be lowered");
    }
}

/// Has the calling thread run as soon as it has something to do, in turns of a tenth of a millisecond, for good. A thread
/// that answers has little to do at a time, and Linux lets a thread finish the milliseconds of its turn, of low priority or
/// not, unless the one that wakes has shorter turns.
pub fn answer_promptly() {
    #[cfg(target_os = "linux")]
    if let Err(error) = take_short_turns() {
        tracing::debug!(%error, "the turns of a thread cannot be made shorter");
    }
}

/// Linux takes the length of a turn from 6.12 on, and ignores it before.
#[cfg(target_os = "linux")]
fn take_short_turns() -> io::Result<()> {
    const TURN: Duration = Duration::from_micros(100);
    // Threads that this one begins have turns of the usual length.
    const RESET_ON_FORK: u64 = 0x01;
    const KEEP_POLICY: u64 = 0x08;
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: 0,
        sched_flags: RESET_ON_FORK | KEEP_POLICY,
        // SAFETY: the call takes numbers only; zero stands for the calling thread.
        sched_nice: unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) },
        sched_priority: 0,
        sched_runtime: TURN.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the attributes live through the call and tell their size; zero stands for the calling thread.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes a reading. It costs a few reads under `/proc`.
pub fn read(runtimes: &Runtimes) -> ProcessStats {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = |name| status_field(&status, name).map(|kibibytes| kibibytes * 1024);
    ProcessStats {
        resident_bytes: kibibytes("VmRSS"),
        peak_resident_bytes: kibibytes("VmHWM"),
        open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
        threads: status_field(&status, "Threads"),
        tasks: runtimes.tasks(),
    }
}

/// The number in a line of name, colon, number and unit.
fn status_field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_field_is_found_by_its_whole_name() {
        let status = "VmHWM:\t  900 kB\nVmRSS:\t   123 kB\nThreads:\t7\n";
        assert_eq!(status_field(status, "VmRSS"), Some(123));
        assert_eq!(status_field(status, "Threads"), Some(7));
        assert_eq!(status_field(status, "Vm"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn turns_can_be_made_shorter_whatever_the_priority() {
        std::thread::spawn(|| {
            answer_promptly();
            take_short_turns().unwrap();
            yield_to_others();
            take_short_turns().unwrap();
            // SAFETY: the call takes numbers only; zero stands for the calling thread.
            assert_eq!(unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }, 10, "it is kept");
        })
        .join()
        .unwrap();
    }

    #[tokio::test]
    async fn a_reading_counts_descriptors_and_tasks() {
        let runtimes = Runtimes::default();
        runtimes.enrol_current();
        runtimes.enrol_current();
        let before = read(&runtimes);
        let files: Vec<_> = (0..10).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        let task = tokio::spawn(std::future::pending::<()>());
        let after = read(&runtimes);
        assert_eq!(after.tasks, before.tasks + 1, "the runtime is counted once");
        assert!(after.open_descriptors.unwrap() >= files.len() as u64);
        assert!(after.resident_bytes.unwrap() > 0);
        task.abort();
    }
}

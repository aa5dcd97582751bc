//! Whole processes: what they use from their start to their end.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::paired::say;

/// The argument that makes this program run another one and tell what it used.
pub(crate) const MEASURE: &str = "measure";

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// CPU time, its own and the system's for it.
    pub(crate) cpu: Duration,
    /// The most resident memory, in bytes.
    pub(crate) peak: u64,
}

/// Runs a program to its end through a fresh copy of this one.
///
/// A process is born with the peak of the one that started it, so this one, with its pictures in memory, cannot start
/// it itself.
pub(crate) fn run(program: impl AsRef<OsStr>, arguments: &[&OsStr]) -> Used {
    let this = std::env::current_exe().expect("this program has a path");
    let output = Command::new(this)
        .arg(MEASURE)
        .arg(program.as_ref())
        .args(arguments)
        // libvips on one thread: that is its least CPU time, and the fairest beside a program that has one.
        .env("VIPS_CONCURRENCY", "1")
        .output()
        .expect("this program can be started once more");
    let said = String::from_utf8_lossy(&output.stdout);
    let mut numbers = said.split_whitespace().map(|word| word.parse::<u64>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(cpu)), Some(Ok(peak))) => Used { cpu: Duration::from_micros(cpu), peak },
        _ => panic!("{arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Runs a program and prints microseconds of CPU time and bytes of peak memory, unless it failed.
#[expect(clippy::zombie_processes, reason = "it is waited for by wait4, which tells what it used")]
pub(crate) fn measure(program: &str, arguments: &[String]) {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let process = libc::pid_t::try_from(child.id()).expect("process ids are positive");
    let mut status = 0;
    // SAFETY: a plain struct of numbers, for which zero is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to variables of this frame; the child was not waited for before.
    let waited = unsafe { libc::wait4(process, &raw mut status, 0, &raw mut usage) };
    assert_eq!((waited, status), (process, 0), "{program} failed");
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    say(&format!("{} {}", micros(usage.ru_utime) + micros(usage.ru_stime), usage.ru_maxrss * 1024));
}

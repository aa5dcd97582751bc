//! A line on the terminal that tells how far it is.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::record::Lately;
use crate::watch::Reading;

const WIDTH: usize = 24;

/// The line. It is drawn on standard error, and only if somebody sees it.
#[derive(Debug)]
pub(crate) struct Progress {
    on: bool,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { on: !quiet && io::stderr().is_terminal() }
    }

    /// Draws how much is done, 0 to 1, and how it goes.
    pub(crate) fn draw(&self, phase: &str, done: f64, lately: Lately, since: Duration, reading: &Reading) {
        if !self.on {
            return;
        }
        let filled = (done * WIDTH as f64) as usize;
        let bar: String = (0..WIDTH).map(|at| if at < filled { '█' } else { '░' }).collect();
        let rate = lately.answered as f64 / since.as_secs_f64().max(1e-3);
        let p99 = lately.p99.as_secs_f64() * 1e3;
        let memory = reading.resident_bytes.map(|bytes| format!("  {:.0} MB", bytes as f64 / 1e6)).unwrap_or_default();
        let tasks = reading.tasks.map(|tasks| format!("  {tasks} tasks")).unwrap_or_default();
        self.write(&format!(
            "{phase:<16} {bar} {:>3.0} %  {rate:>7.0}/s  p99 {p99:>7.1} ms{memory}{tasks}",
            done * 100.0
        ));
    }

    /// Says what is waited for.
    pub(crate) fn say(&self, text: &str) {
        if self.on {
            self.write(text);
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.on {
            self.write("");
        }
    }

    fn write(&self, text: &str) {
        // A terminal that is gone needs no progress.
        let _ = write!(io::stderr().lock(), "\r\x1b[2K{text}");
        let _ = io::stderr().flush();
    }
}

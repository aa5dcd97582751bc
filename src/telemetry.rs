//! Logs: one subscriber for the process, on standard error, and a hook that logs panics through it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged where `LogSettings::filter` cannot be read.
const DEFAULT_FILTER: &str = "info";

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The shape of a line.
    pub format: LogFormat,
    /// A level, or directives such as `info,mortar::http=debug`.
    pub filter: String,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Starts logging. It never stops the process: a filter that cannot be read is reported and replaced, a second start
/// changes nothing, and lines that cannot be written are lost.
pub fn start(settings: &LogSettings) {
    let filter = read_filter(&settings.filter);
    let problem = filter.as_ref().err().cloned();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    // Colours are for terminals; in a file or a journal they would be rubbish between the words.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false);
    let started = match settings.format {
        LogFormat::Human => tracing_subscriber::registry().with(filter).with(lines).try_init(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            tracing_subscriber::registry().with(filter).with(lines).try_init()
        }
    };
    if started.is_err() {
        return;
    }
    std::panic::set_hook(Box::new(log_panic));
    if let Some(problem) = problem {
        tracing::warn!(%problem, using = DEFAULT_FILTER, "the log filter cannot be read");
    }
}

/// Says what is wrong with a filter, for the validation of a configuration.
///
/// # Errors
/// A text that names the directive that cannot be read.
pub fn check_filter(filter: &str) -> Result<(), String> {
    read_filter(filter).map(|_| ())
}

fn read_filter(filter: &str) -> Result<EnvFilter, String> {
    // Lines about threads and sockets say nothing that ours do not; every mistake of an S3 client is an error to s3s; and
    // what rusoto signs has session tokens in it.
    EnvFilter::try_new(format!("actix_server=warn,s3s=off,rusoto_signature=off,{filter}"))
        .map_err(|error| format!("`{filter}` is not a log filter: {error}"))
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        message = panic.payload_as_str().unwrap_or("a panic without a message"),
        location = panic.location().map(tracing::field::display),
        thread = std::thread::current().name(),
        backtrace = backtrace.map(tracing::field::display),
        "panicked"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_read_and_nonsense_is_named() {
        for filter in ["info", "off", "warn,mortar::http=debug", ""] {
            assert_eq!(check_filter(filter), Ok(()));
        }
        assert!(check_filter("info,mortar=loud").unwrap_err().contains("loud"));
    }
}

/// What the tests of other modules read of the log.
#[cfg(test)]
pub(crate) mod captured {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Everything that `work` logs on this thread, one value for each line.
    pub(crate) fn log_of(work: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let lines = lines.0.lock().unwrap();
        lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

//! A load tool for Mortar.
//!
//! It asks a running server for pictures, politely or not, and tells what came of it: throughput and latencies on this
//! side, memory, tasks, descriptors, permits and flights on the other. See `docs/benchmarks.md`.
//!
//! A `plan::Plan` says what each numbered request asks for and how its client behaves; a `pace::Pace` says when it
//! is due; a `run::Run` carries it out over `client::Connection`s and writes into a `record::Recorder`; meanwhile a
//! `watch::Watch` looks at the server. The scenarios (`storm`, `soak`, `overload`) put these together and end in
//! a `report::Report`.
//!
//! Requests have numbers, and all chance in a request comes from the seed and its number, so that a run can be repeated
//! whatever order its requests end in.

mod ask;
mod cli;
mod client;
mod observe;
mod overload;
mod pace;
mod plan;
mod progress;
mod record;
mod report;
mod run;
mod soak;
mod storm;
mod units;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

pub use ask::{Answers, ask};

use crate::cli::{Cli, Scenario};
use crate::report::Report;

/// Runs the tool with the arguments of a command line, the program's name first.
///
/// The exit code is 0 when the run ended and every limit that was asked for is kept, 1 otherwise, 2 for arguments that
/// cannot be understood.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match conduct(&cli) {
        Ok(report) if report.checks.iter().all(|check| check.kept) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mortar-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn conduct(cli: &Cli) -> std::io::Result<Report> {
    let options = cli.scenario.options();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(options.threads.get()).enable_all().build()?;
    let report = runtime.block_on(async {
        match &cli.scenario {
            Scenario::Storm(options) => storm::run(options).await,
            Scenario::Soak(options) => soak::run(options).await,
            Scenario::Overload(options) => overload::run(options).await,
        }
    })?;
    if !options.quiet {
        report.print(&mut std::io::stdout().lock())?;
    }
    if let Some(path) = &options.json {
        std::fs::write(path, report.json()?)?;
    }
    if let Some(path) = &options.html {
        std::fs::write(path, report.html())?;
    }
    Ok(report)
}

//! The `mortar` program: serve, check a configuration, ask how an instance is, or render one file.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use mortar::cli::{Cli, Command};
use mortar::config::{self, Config};
use mortar::telemetry::{self, LogSettings};
use mortar::{health_command, render_command, serve};

// Long-running image servers grow under the system's allocator, which keeps an arena for each thread; this one also
// serves the C codecs. docs/benchmarks.md has the comparison.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc reads at its start. Memory that renders have freed goes back to the system after a second, by a thread of
/// the allocator: left to itself it goes when the same arena is next used, which after a burst may be never.
// SAFETY: jemalloc declares this name for its users to define, as a pointer to a text that ends with a zero.
#[unsafe(export_name = "malloc_conf")]
static MALLOC_CONF: &[u8; 60] = b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = config::environment();
    let config = match config::load(cli.config.as_deref(), &environment) {
        Ok(config) => config,
        Err(problems) => return fail(&problems.to_string()),
    };
    match cli.command {
        None => {
            start_logging(&config);
            serve::run(&config)
        }
        Some(Command::Check) => {
            print(&config.summary());
            ExitCode::SUCCESS
        }
        Some(Command::Health(args)) => match health_command::run(&args, &config.server.internal_listen) {
            Ok(word) => {
                print(word);
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error.to_string()),
        },
        Some(Command::Render(args)) => {
            match render_command::run(&args, &config.limits, &config.encoding, &mut std::io::stderr()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error.to_string()),
            }
        }
    }
}

fn start_logging(config: &Config) {
    let format = match config.server.log_format {
        config::LogFormat::Human => telemetry::LogFormat::Human,
        config::LogFormat::Json => telemetry::LogFormat::Json,
    };
    telemetry::start(&LogSettings { format, filter: config.server.log_level.clone() });
}

/// A reader that has gone away, as in `mortar check | head -1`, is no reason to fail.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

fn fail(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    ExitCode::FAILURE
}

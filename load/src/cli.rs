//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use url::Url;

use crate::units::{self, Share};

/// A load tool for Mortar: storms, soaks and overload, with what they did to the server.
#[derive(Debug, Parser)]
#[command(name = "mortar-load", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// Requests as fast as they are answered, or at a rate: for one URL, for distinct ones, or for a popular few.
    Storm(StormOptions),
    /// Storms of a mix with clients that misbehave, again and again. Fails when the memory that the server settles at
    /// grows from the second round to the last.
    Soak(SoakOptions),
    /// Pictures from the cache, alone and then beside ten times more rendering than the server can do.
    Overload(OverloadOptions),
}

/// What every scenario has.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Where the server's internal pages are, for what it holds: memory, tasks, descriptors, permits, flights.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) internal: Option<String>,
    /// The server's process, for its CPU time and its memory at the peak, if it runs on this machine.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Connections at once.
    #[arg(long, short, default_value = "100")]
    pub(crate) connections: NonZeroUsize,
    /// Where all chance comes from. Left out, a new one is drawn; it is printed in either case.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How long an answer may take before it counts as failed.
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "60s")]
    pub(crate) patience: Duration,
    /// Threads of this tool.
    #[arg(long, default_value = "1")]
    pub(crate) threads: NonZeroUsize,
    /// How often the server is looked at.
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "200ms")]
    pub(crate) sample_every: Duration,
    /// How long the server may take to come to rest after a run.
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "20s")]
    pub(crate) settle: Duration,
    /// Where the figures are written as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where the report with plots is written; one file that needs no other.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// What is asked for, and by whom.
#[derive(Args, Clone, Debug)]
pub(crate) struct Traffic {
    /// What is asked for. `{number}` becomes the number of the request, `{format}` one of --formats.
    pub(crate) url: Url,
    /// The first number.
    #[arg(long, default_value = "0")]
    pub(crate) first: u64,
    /// Numbers begin anew after so many, so that URLs come again.
    #[arg(long)]
    pub(crate) keys: Option<u64>,
    /// Numbers are drawn from --keys, the lower the more often: the k-th as often as 1 / k^EXPONENT.
    #[arg(long, value_name = "EXPONENT", requires = "keys")]
    pub(crate) zipf: Option<f64>,
    /// What `{format}` becomes, each equally often.
    #[arg(long, value_delimiter = ',', default_value = "jpeg,webp,png")]
    pub(crate) formats: Vec<String>,
    #[command(flatten)]
    pub(crate) shares: Shares,
}

/// How many of the clients misbehave, and how.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Shares {
    /// Share of clients that leave before they are answered, half by FIN and half by RST, as in 2%.
    #[arg(long, value_name = "SHARE")]
    pub(crate) leave_before: Option<Share>,
    /// Share of clients that leave in the middle of the body, half by FIN and half by RST.
    #[arg(long, value_name = "SHARE")]
    pub(crate) leave_within: Option<Share>,
    /// Share of clients that read one byte a second, for --trickle-for, and then leave.
    #[arg(long, value_name = "SHARE")]
    pub(crate) trickle: Option<Share>,
    /// Share of clients that give up after --time-out.
    #[arg(long, value_name = "SHARE")]
    pub(crate) impatient: Option<Share>,
    /// When those who leave before they are answered do so, at the latest.
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "50ms")]
    pub(crate) leave_after: Duration,
    /// For how long a client reads one byte a second.
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "5s")]
    pub(crate) trickle_for: Duration,
    /// When an impatient client gives up.
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "20ms")]
    pub(crate) time_out: Duration,
}

/// When a storm ends, and how dense it is.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// Requests in all. 10000 when --seconds is not given either.
    #[arg(long, short = 'n')]
    pub(crate) requests: Option<u64>,
    /// No more requests after this time.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) seconds: Option<Duration>,
    /// Requests a second, however slowly they are answered: latencies are told from when a request was due. Left out,
    /// each connection asks again when it was answered.
    #[arg(long, value_name = "PER-SECOND", value_parser = rate)]
    pub(crate) rate: Option<f64>,
}

/// Figures that must be kept; the tool fails otherwise.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// The least answers a second.
    #[arg(long, value_name = "PER-SECOND")]
    pub(crate) min_rate: Option<f64>,
    /// The most that the 99th percentile of latencies may be.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) max_p99: Option<Duration>,
    /// The most resident memory at any time.
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    pub(crate) max_resident: Option<u64>,
    /// How much more than before the server may hold afterwards: memory by this share, other things not at all.
    #[arg(long, value_name = "SHARE")]
    pub(crate) back_within: Option<Share>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StormOptions {
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    #[command(flatten)]
    pub(crate) amount: Amount,
    /// Requests of the same kind beforehand that are not counted.
    #[arg(long, default_value = "0")]
    pub(crate) warm_up: u64,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SoakOptions {
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    #[command(flatten)]
    pub(crate) amount: Amount,
    /// How often the storm is repeated.
    #[arg(long, default_value = "10", value_parser = clap::value_parser!(u32).range(3..))]
    pub(crate) rounds: u32,
    /// How much the settled memory may grow from the second round to the last.
    #[arg(long, value_name = "SHARE", default_value = "5%")]
    pub(crate) tolerance: Share,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct OverloadOptions {
    /// A picture that is answered from the cache.
    #[arg(long, value_name = "URL")]
    pub(crate) hot: Url,
    /// Pictures that have to be rendered, with `{number}` for a number.
    #[arg(long, value_name = "URL")]
    pub(crate) cold: Url,
    /// The first number.
    #[arg(long, default_value = "0")]
    pub(crate) first: u64,
    /// Requests a second for the hot picture.
    #[arg(long, value_name = "PER-SECOND", value_parser = rate, default_value = "200")]
    pub(crate) hot_rate: f64,
    /// Connections for the renders; more than the server lets wait, or none would be refused.
    #[arg(long, default_value = "1000")]
    pub(crate) cold_connections: NonZeroUsize,
    /// How many times more is asked for than the server can render.
    #[arg(long, value_name = "TIMES", default_value = "10")]
    pub(crate) times: f64,
    /// How long each phase takes.
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "10s")]
    pub(crate) seconds: Duration,
    /// How many times its latency alone a hit may take under overload, at the 99th percentile.
    #[arg(long, value_name = "TIMES", default_value = "2")]
    pub(crate) hits_within: f64,
    /// How long a refusal may take, at the 99th percentile.
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "50ms")]
    pub(crate) refusals_within: Duration,
    #[command(flatten)]
    pub(crate) options: Options,
}

impl Scenario {
    pub(crate) fn options(&self) -> &Options {
        match self {
            Self::Storm(storm) => &storm.options,
            Self::Soak(soak) => &soak.options,
            Self::Overload(overload) => &overload.options,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        Ok(_) | Err(_) => Err(format!("{text:?} is no rate above zero")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_zipf_mix_needs_to_know_how_many_keys_there_are() {
        let words = ["mortar-load", "storm", "http://127.0.0.1/media/{number}.jpg", "--zipf", "1.0"];
        assert!(Cli::try_parse_from(words).is_err());
        assert!(Cli::try_parse_from(words.into_iter().chain(["--keys", "100"])).is_ok());
    }
}

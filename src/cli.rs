//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// An S3-compatible image server: any size, crop or format of a picture, by URL.
#[derive(Debug, Parser)]
#[command(name = "mortar", version)]
pub struct Cli {
    /// The configuration; without it the built-in one, which serves a sample picture.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do; without it, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks the configuration and prints every problem with its place.
    Check,
    /// Asks a running instance with the same configuration whether it is alive; exits with 1 where it is not.
    Health(HealthArgs),
    /// Carries a plan out on a file and prints what it did and how long each stage took.
    Render(RenderArgs),
}

/// What to ask.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Whether it wants requests, as /ready says, instead of whether it is alive.
    #[arg(long)]
    pub ready: bool,
}

/// What to render.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The picture to read.
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// What to do, as in a URL: `width=800&format=webp`.
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// Where the result is written.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_file_may_be_named_before_and_after_the_command() {
        for arguments in [["mortar", "--config", "a.toml", "check"], ["mortar", "check", "--config", "a.toml"]] {
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert_eq!(cli.config.as_deref(), Some(Path::new("a.toml")));
            assert!(matches!(cli.command, Some(Command::Check)));
        }
    }
}

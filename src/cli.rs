//! The command line.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, Listener};

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
    /// Carries a plan out on a file and prints what it did and how long each stage took.
    Render(RenderArgs),
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

/// Carries out `mortar check`: writes a summary of a valid configuration, or every problem of another. Tells whether it
/// is valid; the exit status is 1 where it is not.
///
/// # Errors
/// Those of `out`.
pub fn check(file: Option<&Path>, environment: &HashMap<String, String>, out: &mut impl Write) -> io::Result<bool> {
    match config::load(file, environment) {
        Ok(config) => {
            summarise(&config, out)?;
            Ok(true)
        }
        Err(problems) => {
            writeln!(out, "{problems}")?;
            Ok(false)
        }
    }
}

fn summarise(config: &Config, out: &mut impl Write) -> io::Result<()> {
    let listens: Vec<String> = config.server.listens.iter().map(Listener::to_string).collect();
    writeln!(out, "the configuration is valid")?;
    writeln!(out, "  traffic   {}", listens.join(", "))?;
    writeln!(out, "  internal  {}", config.server.internal_listen)?;
    for (name, bucket) in &config.buckets {
        let storages: Vec<&str> = bucket.storages.keys().map(String::as_str).collect();
        writeln!(out, "  bucket    {name} (storages: {})", storages.join(", "))?;
    }
    Ok(())
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
    fn the_file_may_be_named_before_and_after_the_command() {
        for arguments in [["mortar", "--config", "a.toml", "check"], ["mortar", "check", "--config", "a.toml"]] {
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert_eq!(cli.config.as_deref(), Some(Path::new("a.toml")));
            assert!(matches!(cli.command, Some(Command::Check)));
        }
    }

    fn checked(environment: &[(&str, &str)]) -> (bool, String) {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut out = Vec::new();
        let valid = check(None, &environment, &mut out).unwrap();
        (valid, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_valid_configuration_is_summarised() {
        let (valid, text) = checked(&[]);
        assert!(valid);
        assert!(text.contains("127.0.0.1:8081") && text.contains("media (storages: basic, transform)"), "{text}");
    }

    #[test]
    fn every_problem_has_a_line() {
        let (valid, text) = checked(&[("MORTAR__SERVER__LISTEN", "x"), ("MORTAR__LIMITS__FRAMES", "0")]);
        assert!(!valid);
        let places: Vec<_> = text.lines().filter_map(|line| line.split_once(':')).map(|(place, _)| place).collect();
        assert_eq!(places, ["server.listen", "limits.frames"]);
    }
}

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use config::{Environment, File, FileFormat};
use serde_json::Value;

use super::expand::expand;
use super::problems::{Findings, Problem};
use super::reader::Section;
use super::{Config, Problems, read_buckets, read_s3, read_s3_api, read_server, sections};

/// The default configuration, as it stands in the repository.
pub const DEFAULT_CONFIG: &str = include_str!("../../config.toml");

/// The environment of this process, for [`load`]. Nothing else reads it. Variables that are not UTF-8 are left out.
pub fn environment() -> HashMap<String, String> {
    let utf8 = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    env::vars_os().filter_map(utf8).collect()
}

/// Reads the configuration from `path`, or the default one, and lays variables `MORTAR__SECTION__KEY` of `environment`
/// over it. `${NAME}` in its texts is replaced from `environment` too.
///
/// # Errors
/// Every problem, each with its place.
pub fn load(path: Option<&Path>, environment: &HashMap<String, String>) -> Result<Config, Problems> {
    let Some(path) = path else { return parse(DEFAULT_CONFIG, environment) };
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, environment),
        Err(why) => Err(whole_file(format!("{} cannot be read: {why}", path.display()))),
    }
}

/// Reads the configuration from a text, as [`load`] does.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, environment: &HashMap<String, String>) -> Result<Config, Problems> {
    let mut value = merge(text, environment)?;
    let findings = Findings::default();
    expand(&mut value, "", environment, &findings);
    let config = read(value, environment, &findings);
    findings.into_result(config)
}

fn merge(text: &str, environment: &HashMap<String, String>) -> Result<Value, Problems> {
    let variables = environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let overrides = Environment::with_prefix("MORTAR").prefix_separator("__").separator("__").source(Some(variables));
    config::Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .add_source(overrides)
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|why| whole_file(without_source(&why.to_string())))
}

/// A message of the TOML reader on one line, without the line of the file that it quotes: that may hold a secret.
fn without_source(message: &str) -> String {
    let quotes = |line: &str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    message.lines().filter(|line| !line.trim().is_empty() && !quotes(line)).collect::<Vec<_>>().join(": ")
}

fn whole_file(message: String) -> Problems {
    Problems(vec![Problem { place: String::new(), message }])
}

fn read(value: Value, environment: &HashMap<String, String>, findings: &Findings) -> Config {
    let mut root = Section::root(value, findings);
    let server = read_server::server(root.section("server"));
    let headers = read_server::header_rules(root.listed_sections("headers"));
    let limits = sections::limits(root.section("limits"));
    let encoding = sections::encoding(root.section("encoding"));
    let origins = sections::origins(root.section("origins"));
    let s3 = read_s3::s3(root.section("s3"), environment);
    let watermarks = sections::watermarks(root.section("watermarks"));
    let actors = sections::actors(root.section("actors"), server.concurrent_image_processing);
    let s3_api = read_s3_api::s3_api(root.section("s3_api"));
    let supervision = sections::supervision(root.section("supervision"));
    let (buckets, routes) = read_buckets::buckets(root.named_sections("buckets"), &limits, &watermarks);
    read_s3_api::check_keys(&s3_api, &buckets, findings);
    if server.sample && !buckets.contains_key("media") {
        findings.add("server.sample", "needs a bucket media to put the sample picture into");
    }
    root.finish();
    let routes = Arc::new(routes);
    Config { server, headers, limits, encoding, origins, s3, watermarks, actors, s3_api, supervision, buckets, routes }
}

#[cfg(test)]
mod tests;

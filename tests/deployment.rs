//! What is shipped for running Mortar fits the program: its configuration is valid, and every metric that the dashboard
//! and the alerts speak of is really there.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use harness::redis::{Redis, shared};
use harness::{Mortar, drawn_jpeg};
use mortar::config::{Config, StorageKind};
use serde_json::Value;

/// What deploy/mortar.toml takes from the environment.
const SECRETS: [&str; 5] = ["REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "MEDIA_ACCESS_KEY", "MEDIA_SECRET_KEY"];

fn shipped(name: &str) -> String {
    in_repository(&format!("deploy/{name}"))
}

fn in_repository(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The shipped configuration, with secrets.
fn configuration() -> Config {
    let given = SECRETS.map(|name| (name.to_owned(), "secret-enough".to_owned()));
    mortar::config::parse(&shipped("mortar.toml"), &HashMap::from(given)).unwrap()
}

/// Every word of a text that could be the name of one of our metrics.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("mortar_")).map(ToOwned::to_owned).collect()
}

/// The expressions of all panels, and those that fill the variables.
fn expressions(value: &Value, found: &mut String) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(text) if name == "expr" || name == "query" => *found += &format!("{text}\n"),
                    _ => expressions(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

/// The names of all series that an instance with a Redis tells.
fn told() -> BTreeSet<String> {
    let redis = Redis::start();
    let mortar = Mortar::with("", &shared(&redis.address()));
    mortar.put("a.jpg", &drawn_jpeg(40, 30));
    assert_eq!(mortar.get("/media/a.jpg?width=10").status, 200);
    let text = mortar.internal("/metrics").text();
    let series = text.lines().filter(|line| !line.starts_with('#'));
    series.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

#[test]
fn every_metric_of_the_dashboard_the_alerts_and_the_autoscaler_exists() {
    let mut shown = String::new();
    expressions(&serde_json::from_str(&shipped("grafana/dashboard.json")).unwrap(), &mut shown);
    let used = metrics_in(&[shown, shipped("alerts.yml"), shipped("prometheus-adapter.yaml")].concat());
    assert!(used.len() > 40, "{used:?}");
    let unknown: Vec<_> = used.difference(&told()).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_secret_of_the_configuration_is_given_by_docker_compose() {
    let compose = in_repository("docker-compose.yml");
    for secret in SECRETS {
        assert!(compose.contains(&format!("\n      {secret}: ${{{secret}:-")), "{secret} is not given");
    }
}

#[test]
fn the_memory_that_the_documentation_adds_up_is_what_the_configuration_allows() {
    const MIB: u64 = 1 << 20;
    let config = configuration();
    let storages = config.buckets.values().flat_map(|bucket| bucket.storages.values());
    let uploading = storages.filter(|storage| storage.kind == StorageKind::S3).count() as u64;
    let bound = config.server.cache.cache_size
        + config.limits.render_memory_bytes
        + config.actors.storage.bytes_in_flight
        + config.actors.storage.streams as u64 * 768 * 1024
        + config.actors.store_back.bytes
        + config.watermarks.cache_bytes * 3 / 2
        + config.s3.upload_memory * uploading
        + config.server.max_connections as u64 * 16 * 1024
        + 32 * MIB;
    assert!(bound * 5 / 4 <= 1024 * MIB, "the containers have 1 GiB");
    let told = format!("{} MiB", bound / MIB);
    for place in ["docs/deploy.md", "docker-compose.yml", "deploy/kubernetes.yaml"] {
        assert!(in_repository(place).contains(&told), "{place} does not tell {told}");
    }
}

#[test]
fn the_shipped_configuration_is_valid_when_its_secrets_are_given_and_says_which_are_missing() {
    assert_eq!(configuration().buckets["media"].storages.len(), 2);
    let problems = mortar::config::parse(&shipped("mortar.toml"), &HashMap::new()).unwrap_err().to_string();
    for name in SECRETS {
        assert!(problems.contains(name), "{name} is missing in:\n{problems}");
    }
}

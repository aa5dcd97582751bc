//! The load tool against the real server: what it reports is what happened.

mod harness;

use std::ffi::OsString;
use std::fs;

use harness::{Mortar, drawn_jpeg};
use serde_json::Value;
use tempfile::TempDir;

/// What the tool left behind.
struct Outcome {
    succeeded: bool,
    json: Value,
    html: String,
}

/// Runs the tool in this process.
fn load(mortar: &Mortar, words: &[&str]) -> Outcome {
    let directory = TempDir::new().expect("there is room for files");
    let (json, html) = (directory.path().join("report.json"), directory.path().join("report.html"));
    let internal = mortar.internal.strip_prefix("http://").expect("a plain address");
    let process = mortar.id().to_string();
    let usual = ["--internal", internal, "--pid", &process, "--seed", "7", "--quiet", "--connections", "8"];
    let mut arguments: Vec<OsString> = ["mortar-load"].iter().chain(words).chain(&usual).map(OsString::from).collect();
    arguments.extend(["--json".into(), json.clone().into(), "--html".into(), html.clone().into()]);
    let code = mortar_load::main(arguments);
    Outcome {
        // An exit code can be compared by what it looks like only.
        succeeded: format!("{code:?}") == format!("{:?}", std::process::ExitCode::SUCCESS),
        json: serde_json::from_slice(&fs::read(json).expect("it was written")).expect("it is JSON"),
        html: fs::read_to_string(html).expect("it was written"),
    }
}

fn start() -> Mortar {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(300, 200));
    mortar
}

#[test]
fn a_storm_is_told_as_it_was() {
    let mortar = start();
    let url = format!("{}/media/a.jpg?width=100", mortar.address);
    let outcome = load(&mortar, &["storm", &url, "--requests", "400", "--warm-up", "50", "--settle", "10s"]);
    let phase = &outcome.json["phases"][0];
    assert!(outcome.succeeded, "{:#}", outcome.json["checks"]);
    assert_eq!((&phase["answered"], &phase["statuses"]["200"]["count"]), (&Value::from(400), &Value::from(400)));
    assert_eq!(mortar.stats()["http"]["requests"], 450);
    assert!(phase["latency"]["p99_ms"].as_f64() > Some(0.0) && phase["answers_per_second"].as_f64() > Some(0.0));
    assert!(phase["server"]["peak_resident_bytes"].as_u64() > Some(1 << 20));
    for held in ["requests", "flights", "waiters", "renders"] {
        assert_eq!(outcome.json["after"][held], 0, "{held}");
    }
    assert_eq!(outcome.json["seed"], 7);
    assert!(outcome.html.contains("<svg") && outcome.html.ends_with("</html>\n"));
}

#[test]
fn a_limit_that_is_broken_fails_the_tool() {
    let mortar = start();
    let url = format!("{}/media/a.jpg?width=100", mortar.address);
    let outcome = load(&mortar, &["storm", &url, "--requests", "10", "--min-rate", "1000000000", "--settle", "10s"]);
    assert!(!outcome.succeeded);
    assert!(outcome.json["checks"].as_array().unwrap().iter().any(|check| check["kept"] == false));
}

/// Distinct pictures and a third of the clients leaving in all ways that there are; then nothing is left.
#[test]
fn clients_that_leave_are_told_apart_and_leave_nothing_behind() {
    let mortar = start();
    let url = format!("{}/media/a.jpg?width={{number}}&format={{format}}", mortar.address);
    let manners = ["--leave-before", "10%", "--leave-within", "10%", "--trickle", "5%", "--impatient", "10%"];
    let more = ["--time-out", "2ms", "--trickle-for", "1s", "--first", "20", "--requests", "200", "--settle", "20s"];
    let words = ["storm", &url].iter().chain(&manners).chain(&more).copied().collect::<Vec<_>>();
    let outcome = load(&mortar, &words);
    let (phase, after) = (&outcome.json["phases"][0], &outcome.json["after"]);
    let count = |field: &Value| field.as_u64().unwrap();
    let left = &phase["left"];
    assert!(["before", "within", "trickled"].iter().all(|manner| count(&left[*manner]) > 0), "{left}");
    let all: u64 = left.as_object().unwrap().values().map(count).sum();
    assert_eq!(count(&phase["answered"]) + all, 200, "{phase:#}");
    assert!(outcome.succeeded && after["permits"].as_object().unwrap().is_empty(), "{:#}", outcome.json["checks"]);
    assert_eq!((&after["requests"], &after["flights"], &after["waiters"]), (&0.into(), &0.into(), &0.into()));
}

//! `mortar` at a prompt: help, version, `check` and `render`.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use harness::pictures::promising_png;
use harness::{PROGRAM, decode, drawn, drawn_jpeg, png};
use tempfile::TempDir;

fn mortar(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let variables = environment.iter().copied();
    Command::new(PROGRAM).args(arguments).current_dir(directory).envs(variables).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Checks a configuration in a directory of its own.
fn check(config: &str, environment: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("mortar.toml"), config).unwrap();
    mortar(directory.path(), &["check", "--config", "mortar.toml"], environment)
}

const VALID: &str = r#"
[server]
listen = "127.0.0.1:9000"
[buckets.media.storages.basic]
kind = "local-meta"
root_path = "data"
"#;

#[test]
fn help_and_version_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let help = mortar(directory.path(), &["--help"], &[]);
    assert!(help.status.success());
    for word in ["--config", "--version", "--help", "check", "render"] {
        assert!(stdout(&help).contains(word), "{word} is missing in {}", stdout(&help));
    }
    let version = mortar(directory.path(), &["--version"], &[]);
    assert!(version.status.success());
    assert_eq!(stdout(&version).trim(), format!("mortar {}", env!("CARGO_PKG_VERSION")));
    let unknown = mortar(directory.path(), &["--confg", "x"], &[]);
    assert!(!unknown.status.success());
    assert!(stderr(&unknown).contains("--config"), "{}", stderr(&unknown));
}

#[test]
fn a_valid_configuration_is_summed_up() {
    let output = check(VALID, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stdout(&output);
    assert!(told.contains("valid") && told.contains("127.0.0.1:9000") && told.contains("media"), "{told}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn the_built_in_configuration_is_valid_and_checking_begins_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let output = mortar(directory.path(), &["check"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn all_problems_are_told_at_once_each_with_its_place() {
    let config = r#"
[server]
listen = "nowhere"
request_timeout = "soon"
surprise = 1
[limits]
source_bytes = "many"
[[headers]]
status_codes = [99]
[buckets.media.storages.basic]
kind = "floppy"
[buckets.media.transform]
kind = "presets"
path = "no groups"
parent_bucket = "elsewhere"
[buckets.media.transform.presets.small]
quality = 200
[buckets.media.transform.presets.small.filters]
rotate = { angle = 45 }
[buckets."../up".storages.basic]
kind = "local"
"#;
    let output = check(config, &[]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    for place in [
        "server.listen",
        "server.request_timeout",
        "server.surprise",
        "limits.source_bytes",
        "headers",
        "buckets.media.storages.basic.kind",
        "buckets.media.storages.transform",
        "buckets.media.transform.path",
        "buckets.media.transform.parent_bucket",
        "buckets.media.transform.presets.small.quality",
        "buckets.media.transform.presets.small.filters.rotate.angle",
        "buckets.../up",
    ] {
        assert!(told.lines().any(|line| line.starts_with(place)), "{place} is missing in:\n{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_told_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let missing = mortar(directory.path(), &["check", "--config", "none.toml"], &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("none.toml"), "{}", stderr(&missing));
    let broken = check("[server\nlisten = 1", &[]);
    assert_eq!(broken.status.code(), Some(1));
    assert_eq!(stderr(&broken).lines().count(), 1, "{}", stderr(&broken));
    let served = mortar(directory.path(), &["--config", "none.toml"], &[]);
    assert_eq!(served.status.code(), Some(1), "serving fails in the same way");
}

#[test]
fn the_environment_wins_over_the_file() {
    let output = check(VALID, &[("MORTAR__SERVER__LISTEN", "127.0.0.1:9123")]);
    assert!(stdout(&output).contains("127.0.0.1:9123"), "{}{}", stdout(&output), stderr(&output));
    let wrong = check(VALID, &[("MORTAR__SERVER__WORKERS", "several")]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("server.workers"), "{}", stderr(&wrong));
    let unknown = check(VALID, &[("MORTAR__SERVER__LISTN", "x")]);
    assert!(stderr(&unknown).contains("server.listn"), "{}", stderr(&unknown));
}

#[test]
fn secrets_come_from_the_environment_and_are_never_shown() {
    let with_key = format!(
        "{VALID}\n[[buckets.media.keys]]\naccess_key = \"me\"\nsecret_access_key = \"${{MORTAR_TEST_SECRET}}\"\n"
    );
    let unset = check(&with_key, &[]);
    assert_eq!(unset.status.code(), Some(1));
    assert!(stderr(&unset).contains("MORTAR_TEST_SECRET"), "{}", stderr(&unset));
    let set = check(&with_key, &[("MORTAR_TEST_SECRET", "hush-hush")]);
    assert_eq!(set.status.code(), Some(0), "{}", stderr(&set));
    assert!(!stdout(&set).contains("hush-hush"));
    let escaped = check(&VALID.replace("\"data\"", "\"$${literal}\""), &[]);
    assert_eq!(escaped.status.code(), Some(0), "{}", stderr(&escaped));
}

/// A directory with `in.jpg` of 400x320.
fn with_photo() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("in.jpg"), drawn_jpeg(400, 320)).unwrap();
    directory
}

#[test]
fn render_makes_a_file_and_tells_what_it_did() {
    let directory = with_photo();
    let output = mortar(directory.path(), &["render", "in.jpg", "width=100&format=png", "-o", "out.png"], &[]);
    let told = format!("{}{}", stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{told}");
    let made = decode(&fs::read(directory.path().join("out.png")).unwrap());
    assert_eq!(made.dimensions(), (100, 80));
    for word in ["400x320", "100x80", "decode", "resize", "encode", "ms"] {
        assert!(told.contains(word), "{word} is missing in:\n{told}");
    }
}

#[test]
fn render_makes_what_the_server_makes() {
    let directory = with_photo();
    let query = "operation=crop&width=100&height=100&quality=60&format=webp";
    let output = mortar(directory.path(), &["render", "in.jpg", query, "-o", "out.webp"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let server = harness::Mortar::start();
    server.put("in.jpg", &fs::read(directory.path().join("in.jpg")).unwrap());
    let served = server.get(&format!("/media/in.jpg?{query}"));
    assert!(served.body == fs::read(directory.path().join("out.webp")).unwrap());
}

#[test]
fn render_lays_a_watermark_from_a_file() {
    let directory = with_photo();
    fs::write(directory.path().join("logo.png"), png(&drawn(20, 20).into())).unwrap();
    // An absolute path, as the image of a watermark is an address or begins with a slash.
    let logo = directory.path().join("logo.png");
    let query = format!("operation=watermark&image={}&position=top-left&opacity=1&format=png", logo.display());
    let output = mortar(directory.path(), &["render", "in.jpg", &query, "-o", "out.png"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let made = decode(&fs::read(directory.path().join("out.png")).unwrap());
    assert_eq!(made.get_pixel(3, 4).0[..3], drawn(20, 20).get_pixel(3, 4).0);
}

#[test]
fn render_says_what_is_wrong_and_leaves_no_file() {
    let directory = with_photo();
    fs::write(directory.path().join("text.jpg"), "no picture").unwrap();
    fs::write(directory.path().join("bomb.png"), promising_png(100_000, 100_000)).unwrap();
    for (input, query, output, word) in [
        ("none.jpg", "width=10", "out.jpg", "none.jpg"),
        ("in.jpg", "width=x", "out.jpg", "width"),
        ("in.jpg", "width=99999", "out.jpg", "width"),
        ("text.jpg", "width=10", "out.jpg", "picture"),
        ("bomb.png", "width=10", "out.jpg", "pixels"),
        ("in.jpg", "width=10", "none/out.jpg", "none/out.jpg"),
    ] {
        let done = mortar(directory.path(), &["render", input, query, "-o", output], &[]);
        let told = stderr(&done);
        assert_eq!(done.status.code(), Some(1), "{input} {query}: {told}");
        assert!(told.contains(word) && !told.contains("panicked"), "{input} {query}: {told}");
    }
    let mut left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|each| each.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["bomb.png", "in.jpg", "text.jpg"]);
}

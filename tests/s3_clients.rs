//! Real S3 clients against the real program: each puts, lists, reads, copies and removes in the way it is used to.
//! `scripts/clients` installs them.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Mortar, drawn_jpeg};

const KEYS: &str = r#"
[[buckets.media.keys]]
access_key = "writer"
secret_access_key = "a secret/with+odd=signs"
"#;

/// Runs a client's script in a directory of its own. Whatever it says is shown when it fails.
fn drive(program: &Path, script: &str) {
    let mortar = Mortar::with("", KEYS);
    mortar.put("photo.jpg", &drawn_jpeg(400, 300));
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clients = repository.join("target/clients");
    let bin = clients.join("python/bin");
    assert!(bin.exists(), "the clients are missing; scripts/clients installs them");
    let path = format!("{}:{}", bin.display(), env!("PATH"));
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .arg(repository.join("tests/clients").join(script))
        .current_dir(directory.path())
        .env("PATH", path)
        // Where a machine has one of these, an old rclone does not start.
        .env_remove("AWS_CA_BUNDLE")
        .env("HOME", directory.path())
        .env("MODULES", clients.join("js"))
        .env("MORTAR", &mortar.address)
        .env("AWS_ACCESS_KEY_ID", "writer")
        .env("AWS_SECRET_ACCESS_KEY", "a secret/with+odd=signs")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&said));
    mortar.wait_until_idle();
    let left = harness::files_below(&mortar.originals());
    assert_eq!(left, [mortar.originals().join("photo.jpg")], "all else was removed");
    let parts = harness::files_below(&mortar.originals().join(".mortar/uploads"));
    assert!(parts.is_empty(), "parts of uploads are removed too: {parts:?}");
}

fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/python/bin/python")
}

#[test]
fn boto3() {
    drive(&python(), "with_boto3.py");
}

#[test]
fn aws_cli() {
    drive(Path::new("bash"), "with_aws_cli.sh");
}

#[test]
fn javascript_sdk() {
    drive(Path::new("node"), "with_javascript.mjs");
}

#[test]
fn s3cmd() {
    drive(Path::new("bash"), "with_s3cmd.sh");
}

#[test]
fn rclone() {
    drive(Path::new("bash"), "with_rclone.sh");
}

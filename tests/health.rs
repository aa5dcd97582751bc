//! `mortar health` tells by its exit code how an instance is, as container health checks want it.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::net::TcpListener;
use std::process::{Command, Output};

use harness::origin::{ALLOW_LOOPBACK, Origin};
use harness::{Mortar, PROGRAM, drawn_jpeg};

/// Asks with the configuration of an instance; its port was chosen by the system, so it is told by the environment.
fn health(mortar: &Mortar, arguments: &[&str]) -> Output {
    let address = mortar.internal.strip_prefix("http://").unwrap();
    ask(mortar, address, arguments)
}

fn ask(mortar: &Mortar, address: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("health").arg("--config").arg(&mortar.config).args(arguments);
    command.env("MORTAR__SERVER__INTERNAL_LISTEN", address).output().unwrap()
}

/// The exit code and the one line.
fn told(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    (output.status.code().unwrap(), text.trim_end().to_owned())
}

#[test]
fn an_instance_that_is_well_is_alive_and_ready() {
    let mortar = Mortar::start();
    assert_eq!(told(&health(&mortar, &[])), (0, "alive".to_owned()));
    assert_eq!(told(&health(&mortar, &["--ready"])), (0, "ready".to_owned()));
}

#[test]
fn a_full_instance_is_alive_but_not_ready_and_says_why() {
    let origin = Origin::of(&drawn_jpeg(60, 40));
    origin.hold();
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}[actors.storage]\nreads = 1\n{}", origin.bucket()));
    let held = mortar.get_meanwhile("/remote/a.jpg?width=10");
    origin.wait_for_requests(1);
    assert_eq!(mortar.get("/remote/b.jpg?width=10").status, 503);
    assert_eq!(told(&health(&mortar, &[])).0, 0);
    let (code, why) = told(&health(&mortar, &["--ready"]));
    assert!(code == 1 && why.contains("503: ") && why.contains("storage"), "{code} {why}");
    origin.release();
    assert_eq!(held.join().unwrap().status, 200);
}

#[test]
fn an_instance_that_is_gone_or_does_not_answer_is_not_alive() {
    let mut mortar = Mortar::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, why) = told(&ask(&mortar, &silent.local_addr().unwrap().to_string(), &[]));
    assert!(code == 1 && why.contains("no answer"), "{code} {why}");
    mortar.terminate();
    let (code, why) = told(&health(&mortar, &[]));
    assert!(code == 1 && why.contains("no answer"), "{code} {why}");
}

#[test]
fn an_instance_behind_a_unix_socket_is_asked_there() {
    let directory = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", directory.path().join("internal.sock").display());
    let config = directory.path().join("mortar.toml");
    let text = "[server]\nlisten = \"127.0.0.1:0\"\n[buckets.media.storages.basic]\nkind = \"noop\"\n";
    std::fs::write(&config, text).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(&config).args(arguments).env("MORTAR__SERVER__INTERNAL_LISTEN", &socket);
        command.env("MORTAR__SERVER__LOG_LEVEL", "off");
        command
    };
    let mut instance = command(&[]).spawn().unwrap();
    harness::wait_for("the socket to answer", || command(&["health"]).output().unwrap().status.success().then_some(()));
    instance.kill().unwrap();
    instance.wait().unwrap();
    assert_eq!(told(&command(&["health"]).output().unwrap()).0, 1);
}

//! The end of the service: in order when it is told to, at once when it is told twice, with a word when it cannot begin.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use harness::origin::{ALLOW_LOOPBACK, Origin, Reply};
use harness::wire::Wire;
use harness::{Mortar, PROGRAM, drawn_jpeg, files_below, wait_for};

/// An origin that answers when it is told to, and a mortar before it.
fn start(server: &str) -> (Origin, Mortar) {
    let origin = Origin::of(&drawn_jpeg(200, 160));
    origin.hold();
    let mortar = Mortar::with(server, &format!("{ALLOW_LOOPBACK}{}", origin.bucket()));
    (origin, mortar)
}

fn stops_in_order(signal: &str) {
    let (origin, mut mortar) = start("");
    let running = mortar.get_meanwhile("/remote/a.jpg?width=50");
    origin.wait_for_requests(1);
    mortar.signal(signal);

    let ready = wait_for("it not to be ready", || Some(mortar.internal("/ready")).filter(|ready| ready.status == 503));
    assert!(ready.text().contains("stopping"), "{}", ready.text());
    assert_eq!(mortar.internal("/health").status, 200, "it is alive until the end");
    let address = mortar.address.strip_prefix("http://").unwrap().to_owned();
    wait_for("new connections to be refused", || TcpStream::connect(&address).is_err().then_some(()));

    origin.release();
    let answer = running.join().unwrap();
    assert_eq!(answer.picture().dimensions(), (50, 40), "who was there is served");
    assert_eq!(mortar.wait().code(), Some(0));
    let stored = files_below(&mortar.root().join("results/remote"));
    assert_eq!(stored.len(), 1, "what was waiting to be stored is stored");
    assert!(std::fs::metadata(&stored[0]).unwrap().len() > answer.body.len() as u64);
}

#[test]
fn sigterm_stops_in_order() {
    stops_in_order("TERM");
}

#[test]
fn sigint_stops_in_order() {
    stops_in_order("INT");
}

#[test]
fn an_idle_service_stops_at_once_also_with_idle_connections() {
    let mut mortar = Mortar::with("shutdown_grace = \"1h\"", "");
    mortar.put("a.jpg", &drawn_jpeg(20, 10));
    let mut idle = Wire::to(&mortar);
    idle.send("HEAD /media/a.jpg HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(idle.head().starts_with("HTTP/1.1 200"));
    assert_eq!(mortar.terminate().code(), Some(0));
}

#[test]
fn a_request_that_does_not_end_is_cut_off_after_the_grace_period() {
    let (origin, mut mortar) = start("shutdown_grace = \"1s\"");
    let stuck = Wire::asking(&mortar, "/remote/a.jpg?width=50");
    origin.wait_for_requests(1);
    assert_eq!(mortar.terminate().code(), Some(0));
    assert!(stuck.rest().is_empty());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (origin, mut mortar) = start("shutdown_grace = \"1h\"");
    let stuck = Wire::asking(&mortar, "/remote/a.jpg?width=50");
    origin.wait_for_requests(1);
    mortar.ask_to_stop();
    wait_for("it not to be ready", || (mortar.internal("/ready").status == 503).then_some(()));
    mortar.ask_to_stop();
    mortar.wait();
    assert!(stuck.rest().is_empty());
}

#[test]
fn results_that_cannot_be_stored_do_not_keep_it_from_stopping() {
    // An origin knows no such result, and can only be read.
    let results = Origin::start(|_| Reply::status(404));
    let bucket = format!(
        r#"
[buckets.stuck.storages.basic]
kind = "local"
root_path = "{{root}}"
[buckets.stuck.storages.transform]
kind = "http"
url = "http://{}/<container>/<item>"
[buckets.stuck.transform]
kind = "query"
"#,
        results.address
    );
    let mut mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{bucket}"));
    mortar.put("../stuck/a.jpg", &drawn_jpeg(200, 160));
    assert_eq!(mortar.get("/stuck/a.jpg?width=50").status, 200);
    wait_for("the write to fail", || (mortar.detail("store-back")["failed"] == 1).then_some(()));
    assert_eq!(mortar.get("/stuck/a.jpg?width=60").status, 200, "it can only slow us");
    assert_eq!(mortar.terminate().code(), Some(0));
}

#[test]
fn a_unix_socket_serves_and_is_removed_in_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let (traffic, internal) = (directory.path().join("traffic.sock"), directory.path().join("internal.sock"));
    let config = directory.path().join("mortar.toml");
    let text = format!(
        r#"
[server]
listens = ["127.0.0.1:0", "unix:{}"]
internal_listen = "unix:{}"
[buckets.media.storages.basic]
kind = "local"
root_path = "{}"
"#,
        traffic.display(),
        internal.display(),
        directory.path().join("data").display()
    );
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new(PROGRAM).arg("--config").arg(&config).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the socket", || UnixStream::connect(&internal).ok());
    let ask = |socket: &std::path::Path, path: &str| {
        use std::io::{Read, Write};
        let mut stream = UnixStream::connect(socket).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask(&traffic, "/media/none.jpg").starts_with("HTTP/1.1 404"));
    assert!(ask(&internal, "/health").starts_with("HTTP/1.1 200"));
    let asked = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(asked.success());
    let ended = wait_for("the end", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    assert!(!traffic.exists() && !internal.exists());
}

#[test]
fn a_taken_port_is_told_and_ends_it_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("mortar.toml");
    for (listen, internal) in [(address.as_str(), "127.0.0.1:0"), ("127.0.0.1:0", address.as_str())] {
        let text = format!(
            "[server]\nlisten = \"{listen}\"\ninternal_listen = \"{internal}\"\n\
             [buckets.media.storages.basic]\nkind = \"local\"\nroot_path = \"{}\"\n",
            directory.path().join("data").display()
        );
        std::fs::write(&config, text).unwrap();
        let output = Command::new(PROGRAM).arg("--config").arg(&config).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&address) && told.contains("in use"), "{told}");
        assert!(!told.contains("panicked"), "{told}");
    }
    assert!(!directory.path().join("data").exists(), "nothing was begun");
}

//! A large object from S3: read through Mortar, beside reading it from the store itself.
//!
//! The store is `s3s-fs`, which reads files that are in memory and hands their pieces over, twice as fast as stores with
//! checksums and parity. `MORTAR_TEST_S3_ENDPOINT` names another, such as MinIO, with a bucket `photos` and the tests' keys.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::paired::{Clock, Pair, say};
use crate::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY, signed};
use crate::service::{Server, Site};

const BYTES: usize = 100_000_000;
const ROUNDS: usize = 9;
/// At least 0.8 of the store's own throughput.
const TARGET: f64 = 1.0 / 0.8;
/// Most that a whole object may add to the process, in bytes.
const MEMORY_TARGET: u64 = 16_000_000;

pub(super) fn run() {
    let given = std::env::var_os("MORTAR_TEST_S3_ENDPOINT").map(|url| url.into_string().expect("a URL is text"));
    let started = given.is_none().then(S3Server::on_disk);
    let store = started.as_ref().map(S3Server::url).or(given).expect("one of them is there");
    ureq::put(&signed(&store, "PUT", "large")).send(&vec![7; BYTES][..]).expect("the store takes it");
    let site = Site::with([]);
    let server = site.serve_with(&format!(
        "[buckets.remote.storages.basic]\nkind = \"s3\"\nendpoint = \"{store}\"\nbucket = \"photos\"\n\
         access_key = \"{ACCESS_KEY}\"\nsecret_access_key = \"{SECRET_KEY}\"\n"
    ));
    let through = server.url("/remote/large");
    let direct = signed(&store, "GET", "large");
    Pair::new("s3: 100 MB through Mortar", Clock::Wall, ROUNDS)
        .target(TARGET)
        .run(|| read_whole(&through), || read_whole(&direct));
    report_memory(&server, &through);
}

fn report_memory(server: &Server, url: &str) {
    let idle = server.resident();
    server.forget_peak();
    for _ in 0..3 {
        read_whole(url);
    }
    let above = server.peak().saturating_sub(idle);
    let met = if above < MEMORY_TARGET { "met" } else { "MISSED" };
    say(&format!("s3: memory above idle {:.1} MB, target {} MB: {met}", above as f64 / 1e6, MEMORY_TARGET / 1_000_000));
}

/// Reads an answer to its end and throws it away.
fn read_whole(url: &str) {
    let (authority, target) = url["http://".len()..].split_once('/').expect("the URL has a path");
    let mut stream = TcpStream::connect(authority).expect("the server listens");
    write!(stream, "GET /{target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").expect("it reads");
    let (mut buffer, mut received) = (vec![0; 256 * 1024], 0);
    loop {
        match stream.read(&mut buffer).expect("it answers") {
            0 => break,
            read => received += read,
        }
    }
    assert!(received > BYTES, "{received} bytes came");
}

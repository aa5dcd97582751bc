//! A large object from S3: read through Mortar, beside reading it from the store itself.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::paired::{Clock, Pair, say};
use crate::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::service::{Server, Site};

const BYTES: usize = 100_000_000;
const ROUNDS: usize = 9;
/// At least 0.8 of the store's own throughput.
const TARGET: f64 = 1.0 / 0.8;
/// Most that a whole object may add to the process, in bytes.
const MEMORY_TARGET: u64 = 16_000_000;

pub(super) fn run() {
    let store = S3Server::start();
    store.put("large", &vec![7; BYTES]);
    let site = Site::with([]);
    let server = site.serve_with(&format!(
        "[buckets.remote.storages.basic]\nkind = \"s3\"\nendpoint = \"{}\"\nbucket = \"photos\"\n\
         access_key = \"{ACCESS_KEY}\"\nsecret_access_key = \"{SECRET_KEY}\"\n",
        store.url()
    ));
    let through = server.url("/remote/large");
    let direct = store.signed("GET", "large");
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

//! A small load tool: one URL or many, from a number of connections, against a running server.
//!
//! `cargo bench --bench load -- 127.0.0.1:8080 '/media/sample.jpg/small' 100 10000 [127.0.0.1:8081]`
//!
//! A `{n}` in the path becomes the number of the request, so that every URL is another one, as in
//! `/media/sample.jpg?width={n}`. With the address of the internal listener, the server's memory is told as well.

mod client;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use client::Load;
use serde_json::Value;

const USAGE: &str = "load ADDRESS PATH CONNECTIONS REQUESTS [INTERNAL-ADDRESS]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some((load, internal)) = read(&words) else {
        say(USAGE);
        // `cargo bench` without a name runs everything; this one has nothing to ask then.
        return if words.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let before = internal.and_then(resident);
    let outcome = load.run();
    let answered = outcome.latencies.len();
    let seconds = outcome.took.as_secs_f64();
    say(&format!("{answered} answers in {seconds:.2} s: {:.0} a second", answered as f64 / seconds));
    say(&format!("{:.1} MB a second", outcome.bytes as f64 / seconds / 1e6));
    for share in [0.5, 0.9, 0.99, 1.0] {
        say(&format!(
            "  {:>3.0} % within {:.2} ms",
            share * 100.0,
            percentile(&outcome.latencies, share).as_secs_f64() * 1e3
        ));
    }
    outcome.statuses.iter().for_each(|(status, count)| say(&format!("  status {status}: {count}")));
    if outcome.failed > 0 {
        say(&format!("  without an answer: {}", outcome.failed));
    }
    if let (Some(before), Some(after)) = (before, internal.and_then(resident)) {
        say(&format!("resident memory: {:.1} MB before, {:.1} MB after", before / 1e6, after / 1e6));
    }
    if outcome.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(words: &[String]) -> Option<(Load, Option<SocketAddr>)> {
    let [address, path, connections, requests, internal @ ..] = words else { return None };
    let load = Load {
        address: address.parse().ok()?,
        path: path.clone(),
        connections: connections.parse().ok()?,
        requests: requests.parse().ok()?,
    };
    let internal = internal.first().map(|address| address.parse()).transpose().ok()?;
    Some((load, internal))
}

/// The latency that this share of the answers does not exceed.
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// The resident memory that `/stats` tells, in bytes.
fn resident(internal: SocketAddr) -> Option<f64> {
    let mut stream = TcpStream::connect(internal).ok()?;
    stream.write_all(b"GET /stats HTTP/1.1\r\nHost: stats\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str::<Value>(body).ok()?["process"]["resident_bytes"].as_f64()
}

#[expect(clippy::print_stdout, reason = "the report is what this tool is for")]
fn say(line: &str) {
    println!("{line}");
}

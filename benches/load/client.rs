//! A plain HTTP/1.1 client that keeps its connections and does as little as it can.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// In a path, stands for the number of the request.
pub(crate) const NUMBER: &str = "{n}";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Larger than any head that is expected here.
const HEAD: usize = 16 << 10;

/// What is asked for, how often, and by how many at once.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Whom to ask.
    pub(crate) address: SocketAddr,
    /// Path and query; `{n}` is replaced by the number of the request, which makes every URL another one.
    pub(crate) path: String,
    /// Connections, each of which asks again when it was answered.
    pub(crate) connections: usize,
    /// Requests in all.
    pub(crate) requests: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// How long each answer took, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Requests without an answer, and connections that could not be opened.
    pub(crate) failed: usize,
    /// Bytes of all bodies.
    pub(crate) bytes: u64,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

/// One connection.
struct Connection {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

impl Load {
    /// Opens all connections, then asks.
    pub(crate) fn run(&self) -> Outcome {
        let next = AtomicUsize::new(0);
        let all_open = Barrier::new(self.connections + 1);
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..self.connections).map(|_| scope.spawn(|| self.client(&next, &all_open))).collect();
            all_open.wait();
            let begun = Instant::now();
            let mut whole = Outcome::default();
            for client in clients {
                whole.add(client.join().expect("clients do not panic"));
            }
            whole.took = begun.elapsed();
            whole.latencies.sort();
            whole
        })
    }

    fn client(&self, next: &AtomicUsize, all_open: &Barrier) -> Outcome {
        let connection = Connection::open(self.address);
        all_open.wait();
        let mut outcome = Outcome::default();
        let Ok(mut connection) = connection else {
            outcome.failed += 1;
            return outcome;
        };
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= self.requests {
                return outcome;
            }
            let begun = Instant::now();
            match connection.get(&self.path.replace(NUMBER, &number.to_string())) {
                Ok((status, bytes)) => {
                    outcome.latencies.push(begun.elapsed());
                    *outcome.statuses.entry(status).or_default() += 1;
                    outcome.bytes += bytes;
                }
                Err(_) => {
                    outcome.failed += 1;
                    return outcome;
                }
            }
        }
    }
}

impl Outcome {
    /// Whether every request was answered with 200.
    pub(crate) fn is_clean(&self) -> bool {
        self.failed == 0 && self.statuses.keys().all(|status| *status == 200)
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.failed += other.failed;
        self.bytes += other.bytes;
    }
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, host: address.to_string(), buffer: vec![0; HEAD] })
    }

    /// Asks and reads the answer to its end: its status and the length of its body.
    fn get(&mut self, path: &str) -> io::Result<(u16, u64)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        let body_at = loop {
            filled += self.read(filled)?;
            if let Some(end) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let (status, length) = read_head(&self.buffer[..body_at]).ok_or(io::ErrorKind::InvalidData)?;
        let mut left = length.saturating_sub((filled - body_at) as u64);
        while left > 0 {
            left = left.saturating_sub(self.read(0)? as u64);
        }
        Ok((status, length))
    }

    /// Reads more into the buffer, from `at` on.
    fn read(&mut self, at: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[at..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

/// Status and length of the body. There must be a length: answers in chunks are not what is measured.
fn read_head(head: &[u8]) -> Option<(u16, u64)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())?;
    Some((status, length))
}

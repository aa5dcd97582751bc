//! A store inside the test that keeps its connections, misbehaves as told, and counts what it sees.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::harness::PATIENCE;

/// Bytes that the system may keep for a connection on its way out of the store: few, so that what is counted as sent
/// has mostly been taken.
const SEND_BUFFER: usize = 64 << 10;

/// How long a connection may take to be closed.
const CLOSING: Duration = Duration::from_secs(15);

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// 200 with a body.
    Gives(Arc<Vec<u8>>),
    /// The same, after a while.
    Hesitates(Duration, Arc<Vec<u8>>),
    /// 200 with so many zeros.
    Pours(u64),
    /// Another status without a body.
    Says(u16),
    /// The head of a 200, half of its body, and the end of the connection.
    BreaksOff(Arc<Vec<u8>>),
    /// The head of a 200, and the end of the connection.
    BreaksOffAfterTheHead,
    /// The end of the connection instead of an answer.
    HangsUp,
    /// Nothing, until the requester leaves.
    Hangs,
}

/// A running store. It answers until the test program ends.
pub(crate) struct Store {
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    requests: AtomicUsize,
    sent: AtomicU64,
}

/// Counts a connection as open while it lives.
struct Open(Arc<Counts>);

impl Store {
    /// Answers each request by its method and path.
    pub(crate) fn start(manner: impl Fn(&str, &str) -> Manner + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (counts, manner) = (Arc::<Counts>::default(), Arc::new(manner));
        let shared = Arc::clone(&counts);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (open, manner) = (Open::count(&shared), Arc::clone(&manner));
                // A requester that leaves is what most tests here are about.
                thread::spawn(move || drop(serve(connection, &open.0, &*manner)));
            }
        });
        Self { address, counts }
    }

    /// Gives one body for every path.
    pub(crate) fn of(body: Vec<u8>) -> Self {
        let body = Arc::new(body);
        Self::start(move |_, _| Manner::Gives(Arc::clone(&body)))
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.counts.open.load(SeqCst)
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(SeqCst)
    }

    /// Bytes of bodies handed to connections so far.
    pub(crate) fn sent(&self) -> u64 {
        self.counts.sent.load(SeqCst)
    }

    /// Waits until at most so many connections are open; not as long as a client keeps one that nobody uses.
    pub(crate) fn wait_until_open(&self, most: usize) {
        let limit = Instant::now() + CLOSING;
        while self.open() > most {
            assert!(Instant::now() < limit, "{} connections are open instead of {most}", self.open());
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// The sections of a bucket whose originals are at an address, with more keys for that storage, and whose results are
/// kept nowhere.
pub(crate) fn bucket(name: &str, address: &str, more: &str) -> String {
    format!(
        "[buckets.{name}.storages.basic]\nkind = \"http\"\nurl = \"http://{address}/<container>/<item>\"\n{more}\n\
         [buckets.{name}.storages.transform]\nkind = \"noop\"\n[buckets.{name}.transform]\nkind = \"query\"\n"
    )
}

/// Lets stores on this machine be reached, and keeps no connection to them that nobody uses.
pub(crate) const REACHABLE: &str = "[origins]\nallow_networks = [\"127.0.0.0/8\"]\nidle_connections_per_host = 0\n";

/// Never gives a store a rest.
pub(crate) const NO_REST: &str = "[actors.storage]\nbreaker_failures = 1000000\n";

impl Open {
    fn count(counts: &Arc<Counts>) -> Self {
        counts.open.fetch_add(1, SeqCst);
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

/// Answers the requests of one connection until either side ends it.
fn serve(connection: TcpStream, counts: &Counts, manner: &dyn Fn(&str, &str) -> Manner) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    SockRef::from(&connection).set_send_buffer_size(SEND_BUFFER)?;
    let mut requests = BufReader::new(connection.try_clone()?);
    let mut answers = Answers { connection, counts };
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while requests.read_line(&mut header)? > 2 {
            header.clear();
        }
        counts.requests.fetch_add(1, SeqCst);
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !answers.answer(method == "HEAD", manner(method, path))? {
            return requests.get_ref().shutdown(Shutdown::Both);
        }
    }
}

struct Answers<'a> {
    connection: TcpStream,
    counts: &'a Counts,
}

impl Answers<'_> {
    /// `false` when the connection is to end.
    fn answer(&mut self, is_head: bool, manner: Manner) -> io::Result<bool> {
        match manner {
            Manner::Gives(body) => self.give(is_head, &body, body.len())?,
            Manner::Hesitates(time, body) => {
                thread::park_timeout(time);
                self.give(is_head, &body, body.len())?;
            }
            Manner::Pours(length) => {
                self.head(200, length)?;
                let zeros = [0; 16 << 10];
                let mut left = if is_head { 0 } else { length };
                while left > 0 {
                    let piece = left.min(zeros.len() as u64);
                    self.body(&zeros[..piece as usize])?;
                    left -= piece;
                }
            }
            Manner::Says(status) => self.head(status, 0)?,
            Manner::BreaksOff(body) => {
                self.give(is_head, &body, body.len() / 2)?;
                return Ok(false);
            }
            Manner::BreaksOffAfterTheHead => {
                self.head(200, 1_000)?;
                return Ok(false);
            }
            Manner::HangsUp => return Ok(false),
            Manner::Hangs => {
                return self.connection.read(&mut [0]).map(|_| false);
            }
        }
        Ok(true)
    }

    /// The first `part` bytes of a body that is announced whole.
    fn give(&mut self, is_head: bool, body: &[u8], part: usize) -> io::Result<()> {
        self.head(200, body.len() as u64)?;
        if is_head { Ok(()) } else { self.body(&body[..part]) }
    }

    fn head(&mut self, status: u16, length: u64) -> io::Result<()> {
        write!(self.connection, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n")
    }

    fn body(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.write_all(bytes)?;
        self.counts.sent.fetch_add(bytes.len() as u64, SeqCst);
        Ok(())
    }
}

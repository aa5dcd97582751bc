//! An HTTP origin inside the test, which answers as it is told to and remembers what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::{PATIENCE, wait_for};

/// Lets origins on this machine be reached.
pub const ALLOW_LOOPBACK: &str = "[origins]\nallow_networks = [\"127.0.0.0/8\"]\n";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
}

/// What the origin answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status, headers and the body that belongs to them.
    Whole(u16, Vec<(String, String)>, Vec<u8>),
    /// 200 with a larger Content-Length than the body that follows.
    CutOff(Vec<u8>),
    /// The head of a 200 and nothing after it, until the requester leaves.
    HeadOnly,
    /// Nothing, until the requester leaves.
    Silence,
    /// These bytes, whatever they are, and the end of the connection.
    Raw(Vec<u8>),
    /// These bytes one by one, with this pause before each.
    Dripping(Vec<u8>, Duration),
}

/// A running origin. It answers until the test program ends.
pub struct Origin {
    /// `127.0.0.1:PORT`.
    pub address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    asked: Mutex<Vec<Asked>>,
    /// Requests whose connection is being served.
    open: Mutex<usize>,
    held: Mutex<bool>,
    released: Condvar,
}

impl Asked {
    /// A header, by its name in lower case; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }
}

impl Reply {
    /// 200 with a body.
    pub fn ok(body: &[u8]) -> Self {
        Self::Whole(200, Vec::new(), body.to_vec())
    }

    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self::Whole(status, Vec::new(), Vec::new())
    }

    /// 302.
    pub fn redirect(target: &str) -> Self {
        Self::Whole(302, vec![("location".to_owned(), target.to_owned())], Vec::new())
    }
}

impl Origin {
    /// Starts an origin that answers each request by `answer`.
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::default());
        let (shared, answer) = (Arc::clone(&state), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (state, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                thread::spawn(move || {
                    *state.open.lock().unwrap() += 1;
                    serve(connection, &state, &*answer);
                    *state.open.lock().unwrap() -= 1;
                });
            }
        });
        Self { address, state }
    }

    /// Starts an origin that has one body for every path.
    pub fn of(body: &[u8]) -> Self {
        let body = body.to_vec();
        Self::start(move |_| Reply::ok(&body))
    }

    /// A bucket `remote` in front of this origin, with queries and a store for results on disk.
    pub fn bucket(&self) -> String {
        remote_bucket(&self.address, "")
    }

    /// Keeps every answer back until [`Origin::release`].
    pub fn hold(&self) {
        *self.state.held.lock().unwrap() = true;
    }

    /// Lets answers go.
    pub fn release(&self) {
        *self.state.held.lock().unwrap() = false;
        self.state.released.notify_all();
    }

    /// Everything asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Waits until so many requests have arrived.
    pub fn wait_for_requests(&self, count: usize) {
        wait_for("requests at the origin", || (self.asked().len() >= count).then_some(()));
    }

    /// Waits until nobody is connected any more.
    pub fn wait_until_left(&self) {
        wait_for("the origin to be left", || (*self.state.open.lock().unwrap() == 0).then_some(()));
    }
}

/// Queries of a bucket `remote`, whose results are on disk.
pub const REMOTE_RESULTS: &str = r#"
[buckets.remote.storages.transform]
kind = "local-meta"
root_path = "{root}/results"
[buckets.remote.transform]
kind = "query"
"#;

/// A bucket `remote` whose originals are at `address`, with more keys for its storage.
pub fn remote_bucket(address: &str, more: &str) -> String {
    format!(
        r#"
[buckets.remote.storages.basic]
kind = "http"
url = "http://{address}/<container>/<item>"
{more}
{REMOTE_RESULTS}"#
    )
}

/// One request for each connection: what is measured is what is asked, not how connections are kept.
fn serve(mut connection: TcpStream, state: &State, answer: &dyn Fn(&Asked) -> Reply) {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let Some(asked) = read_request(&mut connection) else { return };
    let reply = answer(&asked);
    let is_head = asked.method == "HEAD";
    state.asked.lock().unwrap().push(asked);
    let held = state.held.lock().unwrap();
    drop(state.released.wait_timeout_while(held, PATIENCE, |held| *held).unwrap());
    // A requester that has left is what some tests are about.
    let _ = write_reply(&mut connection, reply, is_head);
}

fn write_reply(connection: &mut TcpStream, reply: Reply, is_head: bool) -> std::io::Result<()> {
    match reply {
        Reply::Whole(status, headers, body) => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            write!(
                connection,
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
            )?;
            connection.write_all(if is_head { &[] } else { &body })
        }
        Reply::CutOff(body) => {
            write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len() + 1_000)?;
            connection.write_all(&body)
        }
        Reply::HeadOnly => {
            write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")?;
            wait_until_closed(connection)
        }
        Reply::Silence => wait_until_closed(connection),
        Reply::Raw(bytes) => connection.write_all(&bytes),
        Reply::Dripping(bytes, pause) => bytes.iter().try_for_each(|byte| {
            thread::park_timeout(pause);
            connection.write_all(&[*byte])
        }),
    }
}

fn wait_until_closed(connection: &mut TcpStream) -> std::io::Result<()> {
    connection.read(&mut [0]).map(drop)
}

fn read_request(connection: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let (method, rest) = lines.next()?.split_once(' ')?;
    let target = rest.split(' ').next()?.to_owned();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Asked { method: method.to_owned(), target, headers: lines.filter_map(header).collect() })
}

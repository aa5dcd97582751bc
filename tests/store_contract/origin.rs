//! An HTTP server that does what the test says, faults included.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mortar::adapters::HttpOrigin;
use mortar::config::OriginConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Patience with what should come, and for what must not come.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// A time-out that is expected to pass.
pub(crate) const SHORT: Duration = Duration::from_millis(60);

/// One request as the origin saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
}

/// What the origin does with a request.
pub(crate) enum Answer {
    /// Sends these bytes and waits for the next request.
    Whole(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Last(Vec<u8>),
    /// Sends these bytes and then nothing more.
    Stall(Vec<u8>),
    /// Sends these bytes and then zeros without end.
    Endless(Vec<u8>),
}

pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    open: watch::Receiver<usize>,
}

impl Origin {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (open_sender, open) = watch::channel(0);
        let (answer, seen) = (Arc::new(answer), asked.clone());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (answer, seen, open) = (answer.clone(), seen.clone(), open_sender.clone());
                open.send_modify(|open| *open += 1);
                tokio::spawn(async move {
                    serve(connection, &*answer, &seen).await;
                    open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, asked, open }
    }

    /// Answers every request with these bytes.
    pub(crate) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_| Answer::Last(answer.clone())).await
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Connections that are open now.
    pub(crate) fn open_connections(&self) -> usize {
        *self.open.borrow()
    }

    /// Waits until the client has closed all connections.
    pub(crate) async fn all_closed(&self) {
        let mut open = self.open.clone();
        tokio::time::timeout(LONG, open.wait_for(|open| *open == 0)).await.expect("a connection stays open").unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    /// A store on this origin, with a configured header.
    pub(crate) fn store(&self, config: &OriginConfig) -> HttpOrigin {
        let headers = BTreeMap::from([("x-secret".to_owned(), "s3cr3t".to_owned())]);
        HttpOrigin::new(&format!("http://{}/<container>/<item>", self.address), "photos", &headers, config).unwrap()
    }
}

/// Patient limits, and loopback allowed.
pub(crate) fn config() -> OriginConfig {
    OriginConfig {
        connect_timeout: LONG,
        tls_timeout: LONG,
        first_byte_timeout: LONG,
        idle_body_timeout: LONG,
        max_redirects: 3,
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        idle_connections_per_host: 4,
        max_body_bytes: 10_000_000,
    }
}

/// An answer with a length and a body.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

async fn serve(mut connection: TcpStream, answer: &(dyn Fn(&Asked) -> Answer + Send + Sync), seen: &Mutex<Vec<Asked>>) {
    while let Some(asked) = read_request(&mut connection).await {
        seen.lock().unwrap().push(asked.clone());
        match answer(&asked) {
            Answer::Whole(bytes) => {
                let _ = connection.write_all(&bytes).await;
            }
            Answer::Last(bytes) => {
                let _ = connection.write_all(&bytes).await;
                return;
            }
            Answer::Stall(bytes) => {
                let _ = connection.write_all(&bytes).await;
                let _ = connection.read(&mut [0]).await;
                return;
            }
            Answer::Endless(bytes) => {
                let _ = connection.write_all(&bytes).await;
                while connection.write_all(&[0; 16 * 1024]).await.is_ok() {}
                return;
            }
        }
    }
}

async fn read_request(connection: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).await.ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Some(Asked { line, headers })
}

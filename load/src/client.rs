//! One connection: a plain HTTP/1.1 client that does as little as it can, and that can misbehave.
//!
//! Clients of good libraries cannot read one byte a second or leave in the middle of a body by RST; beside that, what
//! the tool needs of HTTP is small: one request at a time, answers whose length is told.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

/// Bytes read at once; more than any head has.
const BUFFER: usize = 64 << 10;
/// What the system may receive ahead for a client that reads slowly, so that the server feels it.
const NARROW: u32 = 4 << 10;
/// How long a client that left by FIN listens until the server closes too.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: u64,
    /// Whether the server takes another request on this connection.
    pub(crate) keeps: bool,
    /// Whether it says when to come back.
    pub(crate) retry_after: bool,
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// In order: nothing more is sent, and the server is given a second to end its side.
    Fin,
    /// At once, with everything under way thrown away.
    Rst,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER].into() })
    }

    /// A connection on which little is received ahead.
    pub(crate) async fn open_narrow(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_recv_buffer_size(NARROW)?;
        let stream = socket.connect(address).await?;
        Ok(Self { stream, buffer: vec![0; BUFFER].into() })
    }

    pub(crate) async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await
    }

    /// Reads the head of the answer, and so much of its body as comes with it. Gives the bytes of the body that are left.
    pub(crate) async fn head(&mut self) -> io::Result<(Head, u64)> {
        let (head, end, filled) = self.fill_head().await?;
        Ok((head, head.length.saturating_sub((filled - end) as u64)))
    }

    /// Reads an answer whole.
    pub(crate) async fn answer(&mut self) -> io::Result<(Head, Vec<u8>)> {
        let (head, end, filled) = self.fill_head().await?;
        let mut body = self.buffer[end..filled].to_vec();
        while (body.len() as u64) < head.length {
            let read = self.read(0).await?;
            body.extend_from_slice(&self.buffer[..read]);
        }
        Ok((head, body))
    }

    /// Reads `left` bytes of a body, or a few more if they have come already, and throws them away.
    pub(crate) async fn skip(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            left = left.saturating_sub(self.read(0).await? as u64);
        }
        Ok(())
    }

    /// Reads one byte a second until the time is over or the server closes.
    pub(crate) async fn trickle(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if self.stream.read(&mut self.buffer[..1]).await? == 0 {
                return Ok(());
            }
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// Leaves. That the server has gone first is no failure.
    pub(crate) async fn leave(mut self, farewell: Farewell) {
        match farewell {
            Farewell::Rst => {
                let _ = self.stream.set_zero_linger();
            }
            Farewell::Fin => {
                let _ = self.stream.shutdown().await;
                let _ = timeout(FAREWELL, async { while self.read(0).await.is_ok() {} }).await;
            }
        }
    }

    async fn fill_head(&mut self) -> io::Result<(Head, usize, usize)> {
        let mut filled = 0;
        loop {
            filled += self.read(filled).await?;
            if let Some(end) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                let head = read_head(&self.buffer[..end]).ok_or(io::ErrorKind::InvalidData)?;
                return Ok((head, end + 4, filled));
            }
        }
    }

    /// Reads more into the buffer, from `at` on: at least one byte.
    async fn read(&mut self, at: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[at..]).await? {
            0 if at == self.buffer.len() => Err(io::ErrorKind::InvalidData.into()),
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

/// Reads a head without its empty line. The length must be told: answers in chunks are not understood.
fn read_head(head: &[u8]) -> Option<Head> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let (mut length, mut keeps, mut retry_after) = (matches!(status, 204 | 304).then_some(0), true, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().ok()?);
        } else if name.eq_ignore_ascii_case("connection") {
            keeps = !value.trim().eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("retry-after") {
            retry_after = true;
        }
    }
    Some(Head { status, length: length?, keeps, retry_after })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_head_tells_status_length_and_whether_to_come_back() {
        let head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 12\r\nRetry-After: 1\r\nConnection: close";
        assert_eq!(read_head(head), Some(Head { status: 503, length: 12, keeps: false, retry_after: true }));
        assert_eq!(read_head(b"HTTP/1.1 304 Not Modified").map(|head| head.length), Some(0));
        assert_eq!(read_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"), None);
        assert_eq!(read_head(b"SSH-2.0-OpenSSH"), None);
    }

    /// A server that sends these pieces to its first client and then listens until that one is gone.
    async fn serve(pieces: &'static [&'static [u8]]) -> (SocketAddr, tokio::task::JoinHandle<io::Result<usize>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            for piece in pieces {
                stream.write_all(piece).await?;
                stream.flush().await?;
                tokio::task::yield_now().await;
            }
            stream.read(&mut [0; 16]).await
        });
        (address, served)
    }

    #[tokio::test]
    async fn an_answer_in_pieces_is_read_to_its_end() {
        let (address, _) = serve(&[b"HTTP/1.1 200 O", b"K\r\nContent-Length: 5\r\n\r", b"\nab", b"cde"]).await;
        let mut connection = Connection::open(address).await.unwrap();
        let (head, body) = connection.answer().await.unwrap();
        assert_eq!((head.status, body.as_slice()), (200, b"abcde".as_slice()));
    }

    #[tokio::test]
    async fn a_client_that_leaves_by_fin_is_seen_to_end_and_one_by_rst_to_break_off() {
        let (address, served) = serve(&[b"HTTP/1.1 200 OK\r\n"]).await;
        Connection::open(address).await.unwrap().leave(Farewell::Fin).await;
        assert_eq!(served.await.unwrap().unwrap(), 0);

        let (address, served) = serve(&[b"HTTP/1.1 200 OK\r\n"]).await;
        Connection::open(address).await.unwrap().leave(Farewell::Rst).await;
        assert!(served.await.unwrap().is_err());
    }
}

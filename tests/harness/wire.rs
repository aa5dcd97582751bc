//! Requests byte by byte, for what a well-behaved client would not send, and for clients that leave.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::{Mortar, PATIENCE};

/// A connection to the traffic listener of a [`Mortar`].
pub struct Wire(TcpStream);

impl Wire {
    /// Connects.
    pub fn to(mortar: &Mortar) -> Self {
        let stream = TcpStream::connect(mortar.address.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Connects and asks for a path as it stands.
    pub fn asking(mortar: &Mortar, path: &str) -> Self {
        let mut wire = Self::to(mortar);
        wire.send(&format!("GET {path} HTTP/1.1\r\nHost: mortar\r\nConnection: close\r\n\r\n"));
        wire
    }

    /// Sends bytes.
    pub fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// Sends bytes that are no text.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Sends bytes for as long as the other side takes them.
    pub fn offer(&mut self, bytes: &[u8]) {
        if let Err(error) = self.0.write_all(bytes) {
            assert_ne!(error.kind(), ErrorKind::WouldBlock, "nobody takes them, and nobody says so");
        }
    }

    /// Sends these bytes again and again, with a pause after each time, until the other side answers. Reads its answer to
    /// the end, as text.
    pub fn drip(mut self, bytes: &[u8], pause: Duration) -> String {
        let end = Instant::now() + PATIENCE;
        self.0.set_read_timeout(Some(pause)).unwrap();
        while self.0.write_all(bytes).is_ok() && self.0.peek(&mut [0]).is_err() {
            assert!(Instant::now() < end, "it may drip for ever");
        }
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        String::from_utf8(self.rest()).unwrap()
    }

    /// Says that nothing more will be sent, as a client does that leaves by FIN.
    pub fn finish(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads until the other side closes.
    pub fn rest(mut self) -> Vec<u8> {
        let mut answer = Vec::new();
        // A connection that is reset has ended too; what arrived before counts.
        let _ = self.0.read_to_end(&mut answer);
        answer
    }

    /// Reads until the other side closes and tells the status; zero where there was no answer.
    pub fn status(self) -> u16 {
        let answer = self.rest();
        let text = String::from_utf8_lossy(&answer);
        text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
    }

    /// Reads the head of one answer, with the empty line behind it, and nothing of its body.
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.read(1));
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads exactly so many bytes.
    pub fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut answer = vec![0; bytes];
        self.0.read_exact(&mut answer).unwrap();
        answer
    }
}

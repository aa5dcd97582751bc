//! Clients that leave when they please.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use socket2::SockRef;

use crate::harness::{Mortar, PATIENCE};

/// Clients at once.
const AT_ONCE: u64 = 24;

/// Requests of clients most of which leave early.
pub(crate) struct Storm<'a> {
    /// Whom they ask.
    pub(crate) mortar: &'a Mortar,
    /// How many.
    pub(crate) requests: u64,
    /// Which moments they choose.
    pub(crate) seed: u64,
    /// The longest that one that will leave stays.
    pub(crate) stay: Duration,
}

/// How many did what.
#[derive(Debug)]
pub(crate) struct Told {
    /// Those who left before they had read an answer to its end.
    pub(crate) left: u64,
    /// Those who stayed, whatever they were answered.
    pub(crate) answered: u64,
}

impl Storm<'_> {
    /// Asks for `path(number)`. Nine of ten leave at a random moment: at once, later, or in the middle of the answer; half
    /// of them politely, half of them not.
    pub(crate) fn rage(&self, path: impl Fn(u64) -> String + Sync) -> Told {
        let (next, answered) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for client in 0..AT_ONCE {
                let (next, answered, path) = (&next, &answered, &path);
                scope.spawn(move || {
                    let mut moments = StdRng::seed_from_u64(self.seed * AT_ONCE + client);
                    loop {
                        let number = next.fetch_add(1, Relaxed);
                        if number >= self.requests {
                            return;
                        }
                        if self.one(&path(number), &mut moments) {
                            answered.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        let answered = answered.into_inner();
        Told { left: self.requests - answered, answered }
    }

    /// One request; `true` when it was answered to its end.
    fn one(&self, path: &str, moments: &mut StdRng) -> bool {
        let address = self.mortar.address.strip_prefix("http://").unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: mortar\r\nConnection: close\r\n\r\n");
        client.write_all(head.as_bytes()).unwrap();
        let (leaves, politely) = (moments.random_ratio(9, 10), moments.random_bool(0.5));
        let stay = self.stay.mul_f64(moments.random_range(0.0..1.0)).max(Duration::from_micros(1));
        let (patience, wanted) = if leaves { (stay, moments.random_range(0..2_000)) } else { (PATIENCE, u64::MAX) };
        client.set_read_timeout(Some(patience)).unwrap();
        let mut answer = Vec::new();
        // Time that has run out and a connection that the other side resets are ends, too.
        drop((&client).take(wanted).read_to_end(&mut answer));
        if leaves && !politely {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
        !leaves && answer.starts_with(b"HTTP/1.1 ")
    }
}

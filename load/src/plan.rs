//! What each numbered request asks for and how its client behaves.

use std::fmt::Write;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use url::Url;

use crate::cli::{Shares, Traffic};
use crate::client::Farewell;
use crate::units::Share;

/// In a URL, stands for the number of the request. The second form is what a parsed URL makes of the first in its path.
const NUMBER: [&str; 2] = ["{number}", "%7Bnumber%7D"];
/// In a URL, stands for a format.
const FORMAT: [&str; 2] = ["{format}", "%7Bformat%7D"];

/// What is asked for, by number.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    seed: u64,
    first: u64,
    /// Requests that other runs have had.
    skipped: u64,
    pieces: Vec<Piece>,
    /// What follows the path in each request.
    rest: String,
    formats: Vec<String>,
    keys: Option<u64>,
    popularity: Option<Popularity>,
    manners: Manners,
}

/// A request and how its client behaves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    /// The bytes to send.
    pub(crate) request: String,
    pub(crate) manner: Manner,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    /// Waits for the answer and reads it.
    Patient,
    /// Leaves so long after it asked, whether answered or not.
    LeavesBefore(Duration, Farewell),
    /// Leaves when it has read so much of the body.
    LeavesWithin(Share, Farewell),
    /// Reads one byte a second for so long, then leaves by RST.
    Trickles(Duration),
    /// Waits for the answer, but not longer than this.
    Impatient(Duration),
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Number,
    Format,
}

/// How often each manner is met.
#[derive(Clone, Copy, Debug, Default)]
struct Manners {
    leave_before: f64,
    leave_within: f64,
    trickle: f64,
    impatient: f64,
    leave_after: Duration,
    trickle_for: Duration,
    time_out: Duration,
}

/// Keys of which the k-th is drawn as often as 1 / k^exponent.
#[derive(Clone, Debug)]
struct Popularity {
    /// For each key, the weight of all keys up to it.
    sums: Vec<f64>,
}

impl Plan {
    /// Everybody is patient, and numbers are used as they come.
    pub(crate) fn plain(url: &Url, first: u64, seed: u64) -> Self {
        let host = url.authority();
        Self {
            seed,
            first,
            skipped: 0,
            pieces: pieces(&path_and_query(url)),
            rest: format!(" HTTP/1.1\r\nHost: {host}\r\nUser-Agent: mortar-load\r\nAccept: */*\r\n\r\n"),
            formats: Vec::new(),
            keys: None,
            popularity: None,
            manners: Manners::default(),
        }
    }

    /// The traffic of a command line, with the given shares of bad manners where it has none.
    pub(crate) fn new(traffic: &Traffic, usual: Usual, seed: u64) -> Self {
        Self {
            formats: traffic.formats.clone(),
            keys: traffic.keys,
            popularity: traffic.zipf.zip(traffic.keys).map(|(exponent, keys)| Popularity::new(keys, exponent)),
            manners: Manners::new(traffic.shares, usual),
            ..Self::plain(&traffic.url, traffic.first, seed)
        }
    }

    /// Goes on behind so many requests: with other numbers and other chance.
    pub(crate) fn skip(&mut self, requests: u64) {
        self.skipped += requests;
    }

    /// The request of a number. It depends on the plan and the number only.
    pub(crate) fn ask(&self, number: u64) -> Ask {
        let number = self.skipped + number;
        let mut chance = SmallRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let key = match (&self.popularity, self.keys) {
            (Some(popularity), _) => self.first + popularity.draw(&mut chance),
            (None, Some(keys)) => self.first + number % keys.max(1),
            (None, None) => self.first + number,
        };
        let mut request = String::with_capacity(256);
        request.push_str("GET ");
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => request.push_str(text),
                Piece::Number => write!(request, "{key}").expect("writing to a string does not fail"),
                Piece::Format if self.formats.is_empty() => {}
                Piece::Format => request.push_str(&self.formats[chance.random_range(0..self.formats.len())]),
            }
        }
        request.push_str(&self.rest);
        Ask { request, manner: self.manners.draw(&mut chance) }
    }
}

/// Shares of bad manners that a scenario has unless the command line says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usual {
    pub(crate) leave_before: f64,
    pub(crate) leave_within: f64,
    pub(crate) trickle: f64,
    pub(crate) impatient: f64,
}

impl Manners {
    fn new(shares: Shares, usual: Usual) -> Self {
        let or = |share: Option<Share>, usual| share.map_or(usual, |share| share.0);
        Self {
            leave_before: or(shares.leave_before, usual.leave_before),
            leave_within: or(shares.leave_within, usual.leave_within),
            trickle: or(shares.trickle, usual.trickle),
            impatient: or(shares.impatient, usual.impatient),
            leave_after: shares.leave_after,
            trickle_for: shares.trickle_for,
            time_out: shares.time_out,
        }
    }

    fn draw(&self, chance: &mut SmallRng) -> Manner {
        let mut lot: f64 = chance.random();
        let mut falls_to = |share: f64| {
            let falls = lot < share;
            lot -= share;
            falls
        };
        if falls_to(self.leave_before) {
            let after = self.leave_after.mul_f64(chance.random());
            return Manner::LeavesBefore(after, farewell(chance));
        }
        if falls_to(self.leave_within) {
            let share = Share(chance.random());
            return Manner::LeavesWithin(share, farewell(chance));
        }
        if falls_to(self.trickle) {
            return Manner::Trickles(self.trickle_for);
        }
        if falls_to(self.impatient) {
            return Manner::Impatient(self.time_out);
        }
        Manner::Patient
    }
}

impl Popularity {
    fn new(keys: u64, exponent: f64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=keys.max(1)).map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        });
        Self { sums: sums.collect() }
    }

    /// A key, counted from 0.
    fn draw(&self, chance: &mut SmallRng) -> u64 {
        let whole = self.sums.last().copied().unwrap_or_default();
        let lot = chance.random::<f64>() * whole;
        self.sums.partition_point(|sum| *sum <= lot).min(self.sums.len() - 1) as u64
    }
}

/// A URL as it was written.
pub(crate) fn shown(url: &Url) -> String {
    url.as_str().replace(NUMBER[1], NUMBER[0]).replace(FORMAT[1], FORMAT[0])
}

/// Where the server of a URL is.
pub(crate) fn address(url: &Url) -> io::Result<SocketAddr> {
    if url.scheme() != "http" {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{url} does not begin with http://")));
    }
    let mut addresses = url.socket_addrs(|| None)?.into_iter();
    addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{url} has no address")))
}

/// The address behind a host and a port.
pub(crate) fn resolve(host_and_port: &str) -> io::Result<SocketAddr> {
    let mut addresses = host_and_port.to_socket_addrs()?;
    addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{host_and_port} has no address")))
}

fn farewell(chance: &mut SmallRng) -> Farewell {
    if chance.random() { Farewell::Fin } else { Farewell::Rst }
}

fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn pieces(mut path: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while let Some((at, mark, piece)) = next_mark(path) {
        pieces.push(Piece::Text(path[..at].to_owned()));
        pieces.push(piece);
        path = &path[at + mark.len()..];
    }
    pieces.push(Piece::Text(path.to_owned()));
    pieces
}

fn next_mark(path: &str) -> Option<(usize, &'static str, Piece)> {
    let numbers = NUMBER.into_iter().map(|mark| (mark, Piece::Number));
    let formats = FORMAT.into_iter().map(|mark| (mark, Piece::Format));
    let marks = numbers.chain(formats).filter_map(|(mark, piece)| Some((path.find(mark)?, mark, piece)));
    marks.min_by_key(|(at, ..)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(url: &str) -> Plan {
        Plan::plain(&url.parse().unwrap(), 0, 1)
    }

    fn path(plan: &Plan, number: u64) -> String {
        plan.ask(number).request.split(' ').nth(1).unwrap().to_owned()
    }

    #[test]
    fn marks_are_replaced_in_path_and_query() {
        let mut plan = plan("http://localhost:80/media/{number}.jpg?width={number}&format={format}");
        plan.formats = vec!["webp".to_owned()];
        assert_eq!(path(&plan, 7), "/media/7.jpg?width=7&format=webp");
        assert!(plan.ask(0).request.contains("\r\nHost: localhost\r\n"));
        let url = "http://localhost/media/{number}.jpg?format={format}";
        assert_eq!(shown(&url.parse().unwrap()), url);
    }

    #[test]
    fn a_request_depends_on_seed_and_number_only() {
        let mut plan = plan("http://localhost/{number}/{format}");
        plan.formats = ["jpeg", "webp", "png", "avif"].map(str::to_owned).into();
        plan.manners = Manners { leave_before: 0.5, leave_after: Duration::from_secs(1), ..Manners::default() };
        let asks = |plan: &Plan| (0..100).map(|number| plan.ask(number)).collect::<Vec<_>>();
        assert_eq!(asks(&plan), asks(&plan));
        let other = Plan { seed: 2, ..plan.clone() };
        assert_ne!(asks(&plan), asks(&other));
    }

    #[test]
    fn keys_come_again() {
        let plan = Plan { keys: Some(3), first: 10, ..plan("http://localhost/{number}") };
        assert_eq!([2, 3, 4].map(|number| path(&plan, number)), ["/12", "/10", "/11"]);
    }

    #[test]
    fn popular_keys_come_as_often_as_zipf_says() {
        let plan = Plan { popularity: Some(Popularity::new(100, 1.0)), ..plan("http://localhost/{number}") };
        let drawn: Vec<_> = (0..20_000).map(|number| path(&plan, number)).collect();
        let share = |key: &str| drawn.iter().filter(|path| *path == key).count() as f64 / drawn.len() as f64;
        // The sum of 1/k for k up to 100 is 5.187.
        assert!((share("/0") - 1.0 / 5.187).abs() < 0.02);
        assert!((share("/9") - 0.1 / 5.187).abs() < 0.01);
    }

    #[test]
    fn manners_are_met_as_often_as_asked_for() {
        let manners = Manners { leave_within: 0.1, impatient: 0.3, ..Manners::default() };
        let plan = Plan { manners, ..plan("http://localhost/") };
        let count = |is: fn(&Manner) -> bool| (0..10_000).filter(|number| is(&plan.ask(*number).manner)).count();
        assert!((900..1100).contains(&count(|manner| matches!(manner, Manner::LeavesWithin(..)))));
        assert!((2800..3200).contains(&count(|manner| matches!(manner, Manner::Impatient(_)))));
        assert_eq!(count(|manner| matches!(manner, Manner::Trickles(_) | Manner::LeavesBefore(..))), 0);
    }
}

//! Looking at the server from outside: its internal pages, and its process where that is on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::client::Connection;

/// How long an internal page may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The system counts CPU time in hundredths of a second, on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The internal pages and the process of a server, so far as they are known.
#[derive(Debug)]
pub(crate) struct Watch {
    internal: Option<SocketAddr>,
    process: Option<u32>,
    /// Kept, so that every reading finds the same number of descriptors in use for it.
    connection: Option<Connection>,
}

/// What the server holds at one moment. What cannot be told is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Reading {
    pub(crate) resident_bytes: Option<u64>,
    /// The most resident memory since [`Watch::forget_peak`].
    pub(crate) peak_resident_bytes: Option<u64>,
    /// CPU time since its start, of all threads.
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) descriptors: Option<u64>,
    pub(crate) threads: Option<u64>,
    pub(crate) tasks: Option<u64>,
    /// Requests being answered.
    pub(crate) requests: Option<u64>,
    pub(crate) flights: Option<u64>,
    pub(crate) waiters: Option<u64>,
    /// Renders on a CPU.
    pub(crate) renders: Option<u64>,
    /// Results that wait to be stored or are being stored.
    pub(crate) store_back: Option<u64>,
    /// Bytes of the results in the cache.
    pub(crate) cached_bytes: Option<u64>,
    /// Permits held, by actor and gate, in pieces or bytes. Gates of which none is held are left out.
    pub(crate) permits: BTreeMap<String, u64>,
}

impl Watch {
    pub(crate) fn new(internal: Option<SocketAddr>, process: Option<u32>) -> Self {
        Self { internal, process, connection: None }
    }

    /// Whether there is anything to look at.
    pub(crate) fn sees(&self) -> bool {
        self.internal.is_some() || self.process.is_some()
    }

    /// Takes a reading.
    ///
    /// # Errors
    /// When `/stats` is not answered with JSON, or the process is gone.
    pub(crate) async fn reading(&mut self) -> io::Result<Reading> {
        let mut reading = match self.page("/stats").await? {
            Some((_, body)) => Reading::of_stats(&serde_json::from_slice(&body)?),
            None => Reading::default(),
        };
        if let Some(process) = self.process {
            reading.look_at(process)?;
        }
        Ok(reading)
    }

    /// Asks for an internal page: its status and body. `None` when the tool was not told where they are.
    ///
    /// # Errors
    /// When it is not answered.
    pub(crate) async fn page(&mut self, path: &str) -> io::Result<Option<(u16, Vec<u8>)>> {
        let Some(internal) = self.internal else { return Ok(None) };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {internal}\r\n\r\n");
        let kept = self.connection.take();
        let exchange = async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(internal).await?,
            };
            connection.send(request.as_bytes()).await?;
            let (head, body) = connection.answer().await?;
            Ok::<_, io::Error>((head.keeps.then_some(connection), head.status, body))
        };
        let (connection, status, body) = timeout(PATIENCE, exchange).await??;
        self.connection = connection;
        Ok(Some((status, body)))
    }

    /// Lets the peak of memory begin anew, where the system allows it.
    pub(crate) fn forget_peak(&self) {
        if let Some(process) = self.process {
            // Only the owner of a process may; without it the peak is the one since the server's start.
            let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
        }
    }
}

impl Reading {
    /// Whether nothing is under way.
    pub(crate) fn is_at_rest(&self) -> bool {
        let counts = [self.requests, self.flights, self.waiters, self.renders, self.store_back];
        counts.iter().all(|count| count.is_none_or(|count| count == 0)) && self.permits.is_empty()
    }

    fn of_stats(stats: &Value) -> Self {
        let process = &stats["process"];
        let children = stats["tree"]["children"].as_array().map(Vec::as_slice).unwrap_or_default();
        let detail = |name: &str, field: &str| {
            children.iter().find_map(|child| child["detail"][name].get(field)).and_then(Value::as_u64)
        };
        let stored = detail("store_back", "queued").zip(detail("store_back", "writing"));
        Self {
            resident_bytes: process["resident_bytes"].as_u64(),
            // What it tells is the peak since its start, not since the last run's.
            peak_resident_bytes: None,
            cpu_seconds: None,
            descriptors: process["open_descriptors"].as_u64(),
            threads: process["threads"].as_u64(),
            tasks: process["tasks"].as_u64(),
            requests: stats["http"]["in_flight"].as_u64(),
            flights: detail("lock", "live"),
            waiters: detail("lock", "waiters"),
            renders: detail("transform", "running"),
            store_back: stored.map(|(queued, writing)| queued + writing),
            cached_bytes: detail("cache", "bytes"),
            permits: children.iter().flat_map(permits).collect(),
        }
    }

    /// Adds what the system tells of a process of this machine, which is nearer to the truth than what it tells of itself.
    fn look_at(&mut self, process: u32) -> io::Result<()> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        self.resident_bytes = field("VmRSS").map(|kibibytes| kibibytes * 1024);
        self.peak_resident_bytes = field("VmHWM").map(|kibibytes| kibibytes * 1024);
        self.threads = field("Threads");
        self.cpu_seconds = cpu_seconds(&fs::read_to_string(format!("/proc/{process}/stat"))?);
        if let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) {
            self.descriptors = Some(descriptors.count() as u64);
        }
        Ok(())
    }
}

fn permits(child: &Value) -> Vec<(String, u64)> {
    let actor = child["name"].as_str().unwrap_or_default();
    let gates = child["gates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let held = gates.iter().filter_map(|gate| {
        let held = gate["held"].as_u64().filter(|held| *held > 0)?;
        Some((format!("{actor}: {}", gate["name"].as_str().unwrap_or_default()), held))
    });
    held.collect()
}

/// Time in user mode and in the system: the 14th and 15th field, counted behind the name, which may have spaces in it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reading_of_stats_knows_what_is_under_way() {
        let mut stats = json!({
            "process": { "resident_bytes": 5, "open_descriptors": 6, "tasks": 7 },
            "http": { "in_flight": 0 },
            "tree": { "children": [
                { "name": "lock", "detail": { "lock": { "live": 0, "waiters": 0 } }, "gates": [{ "name": "joins", "held": 0 }] },
                { "name": "store-back", "detail": { "store_back": { "queued": 0, "writing": 0 } }, "gates": [] },
            ] },
        });
        let reading = Reading::of_stats(&stats);
        assert_eq!((reading.resident_bytes, reading.tasks, reading.flights), (Some(5), Some(7), Some(0)));
        assert!(reading.is_at_rest());
        stats["tree"]["children"][0]["gates"][0]["held"] = 3.into();
        let reading = Reading::of_stats(&stats);
        assert_eq!(reading.permits, BTreeMap::from([("lock: joins".to_owned(), 3)]));
        assert!(!reading.is_at_rest());
        stats["tree"]["children"][0]["gates"] = json!([]);
        stats["tree"]["children"][1]["detail"]["store_back"]["writing"] = 1.into();
        assert!(!Reading::of_stats(&stats).is_at_rest());
    }

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 8 0 100 1000 500";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("nothing"), None);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let mut reading = Reading::default();
        reading.look_at(std::process::id()).unwrap();
        assert!(reading.resident_bytes > Some(0) && reading.descriptors > Some(0) && reading.cpu_seconds.is_some());
    }
}

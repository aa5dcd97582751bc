//! Real `redis-server` processes on free ports, and a proxy in front of them that misbehaves when told to.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use deadpool_redis::redis;
use mortar::config::{LockKind, RedisConfig, parse};
use tempfile::TempDir;

use super::{PATIENCE, wait_for};

/// A Redis as a section with these keys names it, with patience for a busy machine.
pub fn config(keys: &str) -> RedisConfig {
    let text = format!("[server.lock]\nwait_timeout = \"5s\"\nconnect_timeout = \"5s\"\n{keys}");
    match parse(&text, &HashMap::new()).unwrap().server.lock {
        LockKind::Redis(redis) => redis,
        LockKind::Memory => panic!("the section asks for Redis"),
    }
}

/// A running `redis-server`, killed when dropped.
pub struct Redis {
    child: Child,
    pub port: u16,
    arguments: Vec<String>,
    directory: TempDir,
}

impl Redis {
    /// Starts with nothing kept and nothing configured.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts with more arguments of `redis-server`. `{dir}` in them is its directory.
    pub fn with(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::within(directory, free_port(), arguments)
    }

    /// Starts with files that are there already.
    pub fn within(directory: TempDir, port: u16, arguments: &[&str]) -> Self {
        let here = directory.path().to_str().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("{dir}", here)).collect();
        let child = spawn(directory.path(), port, &arguments);
        let redis = Self { child, port, arguments, directory };
        redis.wait_until_it_answers();
        redis
    }

    /// As `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A file in its directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Ends it without a word. What it had is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after [`Redis::kill`], empty, on the same port.
    pub fn revive(&mut self) {
        self.child = spawn(self.directory.path(), self.port, &self.arguments);
        self.wait_until_it_answers();
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// One command, by a connection of its own.
    pub fn run<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_run(command).unwrap()
    }

    /// One command that may fail.
    pub fn try_run<T: redis::FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(format!("redis://{}", self.address())).unwrap();
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let mut asked = redis::cmd(command[0]);
        asked.arg(&command[1..]);
        asked.query(&mut connection)
    }

    /// All keys that match.
    pub fn keys(&self, pattern: &str) -> Vec<String> {
        self.run(&["KEYS", pattern])
    }

    /// How often a command was run, as the server counted.
    pub fn calls(&self, command: &str) -> u64 {
        let info: String = self.run(&["INFO", "commandstats"]);
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    fn wait_until_it_answers(&self) {
        // With TLS or a password it answers in its own way; a port that takes connections is enough then.
        let plain = self.arguments.iter().all(|argument| argument != "--requirepass" && argument != "--tls-port");
        wait_for("redis-server", || {
            if plain {
                self.try_run::<String>(&["PING"]).ok().filter(|answer| answer == "PONG").map(drop)
            } else {
                TcpStream::connect(self.address()).ok().map(drop)
            }
        });
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(directory: &Path, port: u16, arguments: &[String]) -> Child {
    let port = port.to_string();
    let usual = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--loglevel", "warning"];
    let mut command = Command::new("redis-server");
    if arguments.iter().any(|argument| argument == "--tls-port") {
        command.args(["--port", "0", "--tls-port", &port]);
    } else {
        command.args(["--port", &port]);
    }
    let own = arguments.iter().filter(|argument| *argument != "--tls-port");
    command
        .args(usual)
        .args(["--dir", directory.to_str().unwrap()])
        .args(own)
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed by scripts/setup")
}

/// The keys of `[server]` and the sections by which instances share a Redis for results and leases. The limits are
/// wide, for a busy machine; tests of those limits set their own.
pub fn shared(address: &str) -> String {
    format!("{}{}{PATIENT}", section("cache", address), section("lock", address))
}

/// The section of `[server]` by which something is in the Redis at an address.
pub fn section(name: &str, address: &str) -> String {
    format!("[server.{name}]\ntype = \"redis\"\naddress = \"{address}\"\nwait_timeout = \"5s\"\n")
}

/// Limits that a busy machine keeps.
pub const PATIENT: &str = "[actors.cache]\nshared_timeout = \"5s\"\n[actors.lock]\nlease_timeout = \"1s\"\n";

/// A port that nobody listens on, with its neighbour for the bus of a cluster far above.
pub fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 50_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

/// Three servers that share the keys out among themselves.
pub struct RedisCluster(pub Vec<Redis>);

impl RedisCluster {
    pub fn start() -> Self {
        let node = || Redis::with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
        let nodes = [node(), node(), node()];
        let slots = 16_384 / 3;
        for (index, node) in nodes.iter().enumerate() {
            let (first, last) = (index * slots, if index == 2 { 16_383 } else { (index + 1) * slots - 1 });
            node.run::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            node.run::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        for other in &nodes[1..] {
            nodes[0].run::<()>(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string()]);
        }
        for node in &nodes {
            wait_for("the cluster", || {
                let info: String = node.run(&["CLUSTER", "INFO"]);
                (info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")).then_some(())
            });
        }
        Self(nodes.into())
    }

    /// The addresses as a list of TOML.
    pub fn addresses(&self) -> String {
        let quoted: Vec<_> = self.0.iter().map(|node| format!("\"{}\"", node.address())).collect();
        format!("[{}]", quoted.join(", "))
    }
}

/// How a [`Proxy`] treats bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// They pass.
    Passes,
    /// They pass after this time.
    Delays(Duration),
    /// They are swallowed, and connections stay open.
    Swallows,
    /// Connections are closed, and new ones at once.
    Cuts,
}

/// A TCP proxy in front of a server.
pub struct Proxy {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    open: Vec<TcpStream>,
}

impl Proxy {
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(Mutex::new(State { mood: Mood::Passes, open: Vec::new() }));
        let proxy = Self { port: listener.local_addr().unwrap().port(), state: Arc::clone(&state) };
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if state.lock().unwrap().mood == Mood::Cuts {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let kept = [&near, &far].map(|stream| stream.try_clone().unwrap());
                state.lock().unwrap().open.extend(kept);
                let ways = [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)];
                for (from, to) in ways {
                    let state = Arc::clone(&state);
                    thread::spawn(move || pump(from, to, &state));
                }
            }
        });
        proxy
    }

    /// As `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How bytes are treated from now on.
    pub fn turns(&self, mood: Mood) {
        let mut state = self.state.lock().unwrap();
        state.mood = mood;
        if mood == Mood::Cuts {
            state.open.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let mood = state.lock().unwrap().mood;
        match mood {
            Mood::Passes => {}
            Mood::Delays(time) => thread::park_timeout(time),
            Mood::Swallows => continue,
            Mood::Cuts => break,
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}

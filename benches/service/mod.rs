//! Servers as children of this process: the real program, and a bare handler to hold against it.

pub(crate) mod bare;
mod memory;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::paired::child_cpu;

/// The argument that makes this program a bare server.
pub(crate) const BARE: &str = "serve-bare";

/// One bucket on disk, everything else at its default.
const CONFIG: &str = r#"
[server]
listens = ["127.0.0.1:0"]
internal_listen = "127.0.0.1:0"
log_format = "json"
sample = false

[buckets.media.storages.basic]
kind = "local-meta"
root_path = "{root}"

[buckets.media.storages.transform]
kind = "local-meta"
root_path = "{root}/results"

[buckets.media.transform]
kind = "presets-query"
path = '^/(?P<presetName>[a-z0-9_]+)/(?P<parent>.+)$'
parent_bucket = "media"

[buckets.media.transform.presets.small]
quality = 80
[buckets.media.transform.presets.small.filters.thumbnail]
width = 100

[buckets.media.transform.presets.large]
quality = 80
[buckets.media.transform.presets.large.filters.thumbnail]
width = 800
"#;

/// A directory with a configuration and originals.
pub(crate) struct Site {
    directory: TempDir,
}

/// A running server, killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Site {
    /// A site with these originals in its bucket `media`.
    pub(crate) fn with<'a>(originals: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let site = Self { directory: tempfile::tempdir().expect("there is room for files") };
        let media = site.directory.path().join("data/media");
        fs::create_dir_all(&media).expect("there is room for files");
        for (name, bytes) in originals {
            fs::write(media.join(name), bytes).expect("there is room for files");
        }
        site
    }

    /// Gives an original another name, without another copy.
    pub(crate) fn link(&self, original: &str, name: &str) {
        let media = self.directory.path().join("data/media");
        fs::hard_link(media.join(original), media.join(name)).expect("the original is there, and the name is free");
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> String {
        CONFIG.replace("{root}", &self.directory.path().join("data").to_string_lossy())
    }

    /// Starts the real program on it.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with("")
    }

    /// Starts the real program on it, with more sections.
    pub(crate) fn serve_with(&self, more: &str) -> Server {
        let config = self.directory.path().join("mortar.toml");
        fs::write(&config, self.config() + more).expect("there is room for files");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mortar"));
        command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("cargo has built the program");
        let log = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            line["listening"].as_str()?.parse().ok()
        });
        // The rest of the log is read and thrown away, or the program would wait for someone to read it.
        thread::spawn(move || lines.for_each(drop));
        Server { child, address: address.expect("it says where it listens") }
    }
}

impl Server {
    /// Starts a server of `body` and nothing else, with the settings of the real one.
    pub(crate) fn bare(body: &[u8]) -> Self {
        let file = tempfile::NamedTempFile::new().expect("there is room for files");
        fs::write(file.path(), body).expect("there is room for files");
        let this = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(this);
        command.arg(BARE).arg(file.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program can be started once more");
        let mut line = String::new();
        let said = BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line);
        said.expect("it says where it listens");
        Self { child, address: line.trim().parse().expect("an address") }
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The CPU time that it has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        child_cpu(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

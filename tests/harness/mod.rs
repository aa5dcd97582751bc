//! Starts the real `mortar` program on free ports and a directory of its own, and talks to it over HTTP.

#![expect(
    dead_code,
    unreachable_pub,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "each test program uses its own part of the harness; one that cannot set itself up has failed"
)]

pub mod origin;
pub mod pictures;
pub mod redis;
pub mod signer;
pub mod wire;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::Request;

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mortar");

/// A configuration with every limit at its default, one bucket `media` on disk, and room for more in `{more}`. In what is
/// put there, `{root}` stands for the directory of all data.
const CONFIG: &str = r#"
[server]
listens = ["127.0.0.1:0"]
internal_listen = "127.0.0.1:0"
log_format = "json"
{server}

{more}

[buckets.media.storages.basic]
kind = "local-meta"
root_path = "{root}"

[buckets.media.storages.transform]
kind = "local-meta"
root_path = "{root}/results"

[buckets.media.transform]
kind = "presets-query"
path = '/(?P<presetName>[a-z0-9_]+)/(?P<parent>.*)'
parent_bucket = "media"

[buckets.media.transform.presets.small]
quality = 75
[buckets.media.transform.presets.small.filters.thumbnail]
width = 100
"#;

/// A running `mortar`, killed when dropped.
pub struct Mortar {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Where traffic is answered, as `http://127.0.0.1:PORT`.
    pub address: String,
    /// Where the internal pages are answered.
    pub internal: String,
    /// The configuration it runs with; empty for the built-in one.
    pub config: PathBuf,
    directory: Arc<TempDir>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Mortar {
    /// Starts with the usual configuration.
    pub fn start() -> Self {
        Self::with("", "")
    }

    /// Starts with more keys of `[server]` and more sections.
    pub fn with(server: &str, more: &str) -> Self {
        Self::with_files(&[], server, more)
    }

    /// Starts with files in its working directory, more keys of `[server]` and more sections.
    pub fn with_files(files: &[(&str, &[u8])], server: &str, more: &str) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, bytes)| fs::write(directory.path().join(name), bytes).unwrap());
        let config = configuration(&directory, server, more);
        Self::run(directory, config)
    }

    /// Starts with a disk of its own for all data, as large as `mount` understands it, and more sections. Its files are
    /// [`Mortar::inside`]. `None` where this machine lets nobody mount one.
    pub fn on_a_disk_of(size: &str, more: &str) -> Option<Self> {
        const MOUNTED: &str = "mount -t tmpfs -o \"size=$1\" none \"$2\" && exec \"$3\" --config \"$4\"";
        let own = |arguments: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--mount"]).args(arguments);
            command
        };
        if !own(&["mount", "-t", "tmpfs", "none", "/mnt"]).status().is_ok_and(|status| status.success()) {
            // Not by `eprintln`, which is captured and not shown when a test passes.
            std::io::stderr().write_all(b"NOT tested: this machine lets nobody mount a disk\n").unwrap();
            return None;
        }
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let config = configuration(&directory, "", more);
        let root = directory.path().join("data");
        let paths = [root.to_str().unwrap(), PROGRAM, config.to_str().unwrap()];
        let mut command = own(&["sh", "-c", MOUNTED, "sh", size]);
        command.args(paths);
        Some(Self::spawn(command, directory, config))
    }

    /// Mounts the disk of its own anew, as with `ro` or `rw`.
    pub fn remount(&self, how: &str) {
        let (process, root) = (self.id().to_string(), self.root());
        let own = ["--preserve-credentials", "--user", "--mount", "--target", process.as_str()];
        let mut command = Command::new("nsenter");
        let mounted =
            command.args(own).args(["mount", "-o", &format!("remount,bind,{how}")]).arg(root).status().unwrap();
        assert!(mounted.success());
    }

    /// Starts with more sections, by way of a shell command that ends in `exec "$@"`, and with these variables.
    pub fn by_way_of(shell: &str, environment: &[(&str, &str)], more: &str) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let config = configuration(&directory, "", more);
        let mut command = Command::new("sh");
        command.args(["-c", shell, "sh", PROGRAM, "--config"]).arg(&config).envs(environment.iter().copied());
        Self::spawn(command, directory, config)
    }

    /// Starts with the built-in configuration, in an empty directory, on free ports.
    pub fn built_in() -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let mut command = Command::new(PROGRAM);
        command.env("MORTAR__SERVER__LISTEN", "127.0.0.1:0").env("MORTAR__SERVER__INTERNAL_LISTEN", "127.0.0.1:0");
        command.env("MORTAR__SERVER__LOG_FORMAT", "json");
        Self::spawn(command, directory, PathBuf::new())
    }

    /// Starts with a configuration as it stands, in an empty directory, and with these variables.
    pub fn configured(config: PathBuf, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(&config).envs(environment.iter().copied());
        Self::spawn(command, Arc::new(tempfile::tempdir().unwrap()), config)
    }

    /// Stops it, if it runs, and starts it again on the same data.
    pub fn restart(mut self) -> Self {
        if self.child.try_wait().unwrap().is_none() {
            self.terminate();
        }
        let (directory, config) = (Arc::clone(&self.directory), self.config.clone());
        drop(self);
        Self::run(directory, config)
    }

    /// Starts another instance with the same configuration on the same data.
    pub fn beside(&self) -> Self {
        Self::run(Arc::clone(&self.directory), self.config.clone())
    }

    fn run(directory: Arc<TempDir>, config: PathBuf) -> Self {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(&config);
        Self::spawn(command, directory, config)
    }

    /// Starts in a directory and waits until it is ready.
    fn spawn(mut command: Command, directory: Arc<TempDir>, config: PathBuf) -> Self {
        let mut child = command
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line)));
        let mut mortar = Self { child, log, address: String::new(), internal: String::new(), config, directory };
        let ready = mortar.wait_for_log("mortar is ready");
        let address = |name: &str| format!("http://{}", ready[name].as_str().unwrap());
        (mortar.address, mortar.internal) = (address("listening"), address("internal"));
        mortar
    }

    /// The directory of the container `media`.
    pub fn originals(&self) -> PathBuf {
        self.directory.path().join("data/media")
    }

    /// The directory of finished results.
    pub fn results(&self) -> PathBuf {
        self.directory.path().join("data/results/media")
    }

    /// Puts a file into the bucket `media`.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.originals().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A file below the directory of all data, as the program sees it.
    pub fn inside(&self, path: &str) -> PathBuf {
        let root = self.root();
        Path::new(&format!("/proc/{}/root", self.id())).join(root.strip_prefix("/").unwrap()).join(path)
    }

    /// The directory of all data.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    /// GET with headers.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers)
    }

    /// Any method with headers and no body.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        send(method, &format!("{}{path}", self.address), headers)
    }

    /// A page of the internal listener.
    pub fn internal(&self, path: &str) -> Answer {
        send("GET", &format!("{}{path}", self.internal), &[])
    }

    /// POST of JSON to a page of the internal listener.
    pub fn order(&self, path: &str, body: &str) -> Answer {
        let request = Request::builder().method("POST").uri(format!("{}{path}", self.internal));
        run(request.body(body.to_owned()).unwrap())
    }

    /// `/stats`, parsed.
    pub fn stats(&self) -> Value {
        self.internal("/stats").json()
    }

    /// The part of `/stats` that one actor has.
    pub fn actor(&self, name: &str) -> Value {
        let stats = self.stats();
        let children = stats["tree"]["children"].as_array().unwrap();
        children.iter().find(|child| child["name"] == name).unwrap_or_else(|| panic!("no actor {name}")).clone()
    }

    /// What only the actor of this name has, as `/stats` tells it.
    pub fn detail(&self, name: &str) -> Value {
        let detail = self.actor(name)["detail"].as_object().unwrap().clone();
        detail.into_iter().next().unwrap().1
    }

    /// Starts a GET on a thread of its own.
    pub fn get_meanwhile(&self, path: &str) -> thread::JoinHandle<Answer> {
        let url = format!("{}{path}", self.address);
        thread::spawn(move || send("GET", &url, &[]))
    }

    /// Waits until so many results have been written to their stores, or have failed to be.
    pub fn wait_until_stored(&self, count: u64) {
        wait_for("results to be stored", || (self.detail("store-back")["written"] == count).then_some(()));
    }

    /// Waits until nothing is under way: no request, flight, render, read or write.
    pub fn wait_until_idle(&self) {
        wait_for("mortar to be idle", || {
            let stats = self.stats();
            let children = stats["tree"]["children"].as_array().unwrap();
            let gates = children.iter().flat_map(|child| child["gates"].as_array().unwrap());
            let held: u64 = gates.map(|gate| gate["held"].as_u64().unwrap() + gate["waiting"].as_u64().unwrap()).sum();
            (held == 0 && stats["http"]["in_flight"] == 0).then_some(())
        });
    }

    /// Waits until `/stats` fulfils a condition.
    pub fn wait_for_stats(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || Some(self.stats()).filter(&condition))
    }

    /// Sends SIGTERM.
    pub fn ask_to_stop(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the end of mortar", || self.child.try_wait().unwrap())
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All log lines so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a log line with this message and parses it.
    pub fn wait_for_log(&mut self, message: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.log().iter().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                (line["message"] == message).then_some(line)
            });
            match found {
                Some(line) => return line,
                None if self.child.try_wait().unwrap().is_some() => panic!("it ended: {:#?}", self.log()),
                None => assert!(Instant::now() < deadline, "no log line {message:?} in {:#?}", self.log()),
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Mortar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("log of mortar:\n{}", self.log().join("\n"));
        }
    }
}

impl Answer {
    /// A header as text; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a JSON error body, after checking its shape.
    pub fn error_code(&self) -> String {
        let body = self.json();
        assert!(!body["error"]["message"].as_str().unwrap().is_empty());
        assert_eq!(body["error"]["request_id"], self.header("x-request-id"));
        assert_eq!(self.header("content-type"), "application/json");
        body["error"]["code"].as_str().unwrap().to_owned()
    }

    /// The body decoded as a picture of any format that the `image` crate reads, as RGBA.
    pub fn picture(&self) -> image::RgbaImage {
        assert_eq!(self.status, 200, "{}", self.text());
        decode(&self.body)
    }
}

/// Writes the configuration file of a program whose data are in this directory, which is made.
fn configuration(directory: &TempDir, server: &str, more: &str) -> PathBuf {
    let (root, path) = (directory.path().join("data"), directory.path().join("mortar.toml"));
    fs::create_dir_all(&root).unwrap();
    let config = CONFIG.replace("{server}", server).replace("{more}", more).replace("{root}", root.to_str().unwrap());
    fs::write(&path, config).unwrap();
    path
}

/// Decodes with an independent decoder where there is one: PNG, WebP, GIF; JPEG with libjpeg-turbo.
pub fn decode(bytes: &[u8]) -> image::RgbaImage {
    if bytes.starts_with(&[0xFF, 0xD8]) {
        let decoded = turbojpeg::decompress(bytes, turbojpeg::PixelFormat::RGBA).unwrap();
        return image::RgbaImage::from_raw(decoded.width as u32, decoded.height as u32, decoded.pixels).unwrap();
    }
    image::load_from_memory(bytes).unwrap().to_rgba8()
}

/// A photograph-like picture: soft gradients, a few hard edges, some texture. Always the same for the same size.
pub fn drawn(width: u32, height: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        let (fx, fy) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
        let ring = ((fx - 0.6).hypot(fy - 0.4) * 40.0).sin() * 24.0;
        let edge = if (fx * 4.0) as u32 % 2 == (fy * 3.0) as u32 % 2 { 40.0 } else { 0.0 };
        let channel = |base: f64| (base + ring + edge).clamp(0.0, 255.0) as u8;
        image::Rgb([channel(fx * 200.0), channel(fy * 200.0), channel((1.0 - fx) * 180.0)])
    })
}

/// [`drawn`] as a JPEG of quality 90.
pub fn drawn_jpeg(width: u32, height: u32) -> Vec<u8> {
    let (pixels, format) = (drawn(width, height).into_raw(), turbojpeg::PixelFormat::RGB);
    let (width, height) = (width as usize, height as usize);
    let picture = turbojpeg::Image { pixels: pixels.as_slice(), width, height, pitch: width * 3, format };
    turbojpeg::compress(picture, 90, turbojpeg::Subsamp::Sub2x2).unwrap().to_vec()
}

/// Any picture as a PNG.
pub fn png(picture: &image::DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The mean of the absolute differences of all samples, 0 to 255. The sizes must be equal.
pub fn mean_difference(one: &image::RgbaImage, other: &image::RgbaImage) -> f64 {
    assert_eq!(one.dimensions(), other.dimensions());
    let sum: u64 = one.iter().zip(other.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.len() as f64
}

/// Waits, without busy looping, until `found` has something.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// Every file below a directory, but for those that Mortar keeps for itself in `.mortar`.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = everything_below(directory);
    files.retain(|file| !file.strip_prefix(directory).unwrap().iter().any(|component| component == ".mortar"));
    files
}

/// Every file below a directory.
pub fn everything_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { everything_below(&path) } else { vec![path] }
        })
        .collect()
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

/// Any request without a body.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri(url);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    run(request.body(()).unwrap())
}

fn run(request: Request<impl ureq::AsSendBody>) -> Answer {
    let (parts, mut body) = agent().run(request).unwrap().into_parts();
    let mut bytes = Vec::new();
    body.as_reader().read_to_end(&mut bytes).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes }
}

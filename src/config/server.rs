use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::RedisConfig;

/// How the service meets its clients: section `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where traffic is accepted. Never empty, without doubles.
    pub listens: Vec<Listener>,
    /// Where `/stats`, `/metrics`, `/health` and `/ready` are answered. Differs from all of `listens`.
    pub internal_listen: Listener,
    /// A tracing filter, such as `info` or `warn,mortar=debug`.
    pub log_level: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Objects larger than this, in bytes, are not passed through where their storage gives a URL to read them at; `None`
    /// passes all of them through.
    pub max_file_size: Option<u64>,
    /// Whether each request is logged.
    pub access_logs: bool,
    /// The deadline of a request that carries a transform, set once at the edge.
    pub request_timeout: Duration,
    /// How long making one result may take, whoever waits for it.
    pub lock_timeout: Duration,
    /// Renders that run at once. Already resolved: `0` in the file means one per core.
    pub concurrent_image_processing: usize,
    /// Threads that speak HTTP. Already resolved: `0` in the file means one per core.
    pub workers: usize,
    /// Connections open at once, over all traffic listeners.
    pub max_connections: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long a client may take to send the head of its request.
    pub client_header_timeout: Duration,
    /// The picture shown instead of a failed transform.
    pub placeholder: Option<Placeholder>,
    /// Whether the debug header of a request is answered with an explanation.
    pub debug_header: bool,
    /// How long running requests may take to end once the service has been told to stop.
    pub shutdown_grace: Duration,
    /// Whether a sample picture is written as `sample.jpg` to the bucket `media` when its storage is new.
    pub sample: bool,
    /// The cache of results.
    pub cache: CacheConfig,
    /// Which instances join identical requests.
    pub lock: LockKind,
    /// Answers to browsers that ask from another origin.
    pub cors: CorsConfig,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listener {
    /// A TCP socket.
    Tcp(SocketAddr),
    /// A unix socket at this path.
    Unix(PathBuf),
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    Human,
    /// One JSON object a line.
    Json,
}

/// Where the placeholder picture is read from, once, at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// An `http` or `https` address.
    Url(Url),
    /// A file of this machine.
    File(PathBuf),
}

/// The cache of results: section `[server.cache]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Where it lives.
    pub kind: CacheKind,
    /// All entries together, in bytes.
    pub cache_size: u64,
    /// The largest entry, in bytes. Larger results are answered and stored, not cached.
    pub max_cache_item_size: u64,
    /// How long an entry lives when its answer carries no `max-age`.
    pub default_time_to_live: Duration,
    /// The longest that an entry lives in the cache that instances share.
    pub max_time_to_live: Duration,
    /// How often a result must have been made or fetched before it is kept in the cache that instances share.
    pub min_use_count: u32,
}

/// Where the cache lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheKind {
    /// In this process.
    Memory,
    /// In this process, and below that in a Redis that instances share.
    Redis(RedisConfig),
}

/// Which instances join identical requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// This process only.
    Memory,
    /// All those that use the same Redis with the same prefix.
    Redis(RedisConfig),
}

/// Cross-origin answers: section `[server.cors]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsConfig {
    /// Whether any of this is sent.
    pub enabled: bool,
    /// Origins that may ask, such as `https://example.org`; `*` alone means all.
    pub allow_origins: Vec<String>,
    /// Methods that a preflight allows.
    pub allow_methods: Vec<String>,
    /// Request headers that a preflight allows.
    pub allow_headers: Vec<String>,
    /// Answer headers that scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember a preflight.
    pub max_age: Duration,
}

/// Headers set by status code: one of `[[headers]]`. Names and values are valid HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// The rule holds for answers with one of these.
    pub status_codes: Vec<u16>,
    /// Whether it replaces a header that the answer already has.
    pub override_existing: bool,
    /// Names and values, in the order of their names.
    pub values: Vec<(String, String)>,
}

/// Which pictures may be laid over others: section `[watermarks]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatermarkConfig {
    /// Hosts that a watermark may be fetched from, in lower case. Pictures of configured buckets always may be used.
    pub allowed_hosts: Vec<String>,
    /// Decoded watermarks kept.
    pub cache_items: usize,
    /// Decoded watermarks kept, in bytes of pixels.
    pub cache_bytes: u64,
    /// How long a kept one is used before it is fetched again.
    pub cache_time_to_live: Duration,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

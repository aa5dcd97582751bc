//! Reads `[server]` and `[[headers]]`.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::read_redis::redis;
use super::reader::Section;
use super::units::{DAY, HOUR, MIB, MOST_BYTES, SHORTEST};
use super::{
    CacheConfig, CacheKind, CorsConfig, HeaderRule, Listener, LockKind, LogFormat, Placeholder, RedisConfig,
    RedisTopology, ServerConfig,
};
use crate::respond::is_reserved;

pub(super) fn server(mut section: Section<'_>) -> ServerConfig {
    let seconds = Duration::from_secs;
    let (listens, internal_listen) = listeners(&mut section);
    let server = ServerConfig {
        listens,
        internal_listen,
        log_level: section.parsed("log_level", log_level).unwrap_or_else(|| "info".to_owned()),
        log_format: section
            .choice("log_format", &[("human", LogFormat::Human), ("json", LogFormat::Json)])
            .unwrap_or(LogFormat::Human),
        access_logs: section.switch("access_logs", false),
        request_timeout: section.duration("request_timeout", seconds(60), SHORTEST..=HOUR),
        lock_timeout: section.duration("lock_timeout", seconds(60), SHORTEST..=HOUR),
        concurrent_image_processing: or_cores(section.count("concurrent_image_processing", 0, 0..=1024)),
        workers: or_cores(section.count("workers", 0, 0..=1024)),
        max_connections: section.count("max_connections", 25_000, 1..=1_000_000),
        keep_alive: section.duration("keep_alive", seconds(75), Duration::ZERO..=HOUR),
        client_header_timeout: section.duration("client_header_timeout", seconds(10), SHORTEST..=HOUR),
        max_file_size: Some(section.size("max_file_size", 0, 0..=MOST_BYTES)).filter(|size| *size > 0),
        placeholder: placeholder(&mut section),
        debug_header: section.switch("debug_header", false),
        shutdown_grace: section.duration("shutdown_grace", seconds(30), Duration::ZERO..=HOUR),
        sample: section.switch("sample", false),
        cache: cache(section.section("cache")),
        lock: lock(section.section("lock")),
        cors: cors(section.section("cors")),
    };
    section.finish();
    server
}

fn or_cores(count: usize) -> usize {
    if count > 0 { count } else { thread::available_parallelism().map_or(1, usize::from) }
}

fn log_level(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("{text:?} is not a level or filter such as info or warn,mortar=debug")),
    }
}

fn listeners(section: &mut Section<'_>) -> (Vec<Listener>, Listener) {
    let every_address = Listener::Tcp(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 8080));
    let loopback = Listener::Tcp(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8081));
    let single = section.parsed("listen", Listener::from_str).unwrap_or(every_address);
    let several = section.parsed_texts("listens", Listener::from_str).unwrap_or_default();
    let internal = section.parsed("internal_listen", Listener::from_str).unwrap_or(loopback);
    let listens = if several.is_empty() { vec![single] } else { several };
    let mut seen = HashSet::new();
    for listener in &listens {
        if !seen.insert(listener) {
            section.problem("listens", format!("{listener} stands there twice"));
        }
    }
    if listens.iter().any(|listener| listener.takes(&internal)) {
        section.problem("internal_listen", format!("{internal} is already taken by traffic"));
    }
    (listens, internal)
}

impl Listener {
    /// Whether `other` cannot be bound beside this one.
    fn takes(&self, other: &Self) -> bool {
        let (Self::Tcp(own), Self::Tcp(other)) = (self, other) else { return self == other };
        let any = own.ip().is_unspecified() || other.ip().is_unspecified();
        own.port() == other.port() && own.port() != 0 && (any || own.ip() == other.ip())
    }
}

impl FromStr for Listener {
    type Err = String;

    /// Reads `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `:8080` or `unix:/path`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not host:port (an address, localhost or nothing before the colon) or unix:/path");
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Unix(path)) } else { Err(wrong()) };
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Tcp(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let address = match host {
            "" | "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => return Err(wrong()),
        };
        let port = port.parse().map_err(|_| wrong())?;
        Ok(Self::Tcp(SocketAddr::new(address, port)))
    }
}

fn placeholder(section: &mut Section<'_>) -> Option<Placeholder> {
    let text = section.text("placeholder").filter(|text| !text.is_empty())?;
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Some(Placeholder::File(PathBuf::from(text)));
    }
    match Url::parse(&text) {
        Ok(url) => Some(Placeholder::Url(url)),
        Err(why) => {
            section.problem("placeholder", format!("is not an address: {why}"));
            None
        }
    }
}

fn cache(mut section: Section<'_>) -> CacheConfig {
    let cache = CacheConfig {
        kind: shared_redis(&mut section).map_or(CacheKind::Memory, CacheKind::Redis),
        cache_size: section.size("cache_size", 256 * MIB, 0..=MOST_BYTES),
        max_cache_item_size: section.size("max_cache_item_size", 5 * MIB, 0..=MOST_BYTES),
        default_time_to_live: section.duration("default_time_to_live", HOUR, Duration::ZERO..=365 * DAY),
        max_time_to_live: section.duration("max_time_to_live", 7 * DAY, SHORTEST..=365 * DAY),
        min_use_count: section.count("min_use_count", 1, 1..=1_000_000),
    };
    if cache.max_cache_item_size > cache.cache_size {
        section.problem("max_cache_item_size", "is larger than cache_size");
    }
    section.finish();
    cache
}

fn lock(mut section: Section<'_>) -> LockKind {
    let kind = shared_redis(&mut section).map_or(LockKind::Memory, LockKind::Redis);
    section.finish();
    kind
}

/// The Redis that the type of a cache or lock asks for; `None` for memory.
fn shared_redis(section: &mut Section<'_>) -> Option<RedisConfig> {
    let types =
        [("memory", None), ("redis", Some(RedisTopology::Single)), ("redis-cluster", Some(RedisTopology::Cluster))];
    let topology = section.choice("type", &types).flatten();
    redis(section, topology)
}

fn cors(mut section: Section<'_>) -> CorsConfig {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let exposed = [
        "ETag",
        "Content-Length",
        "Content-Range",
        "x-request-id",
        "x-amz-meta-public-width",
        "x-amz-meta-public-height",
    ];
    let cors = CorsConfig {
        enabled: section.switch("enabled", true),
        allow_origins: section.parsed_texts("allow_origins", origin).unwrap_or_else(|| owned(&["*"])),
        allow_methods: section
            .parsed_texts("allow_methods", method)
            .unwrap_or_else(|| owned(&["GET", "HEAD", "OPTIONS"])),
        allow_headers: section
            .parsed_texts("allow_headers", header_name)
            .unwrap_or_else(|| owned(&["Content-Type", "Range", "If-None-Match", "If-Modified-Since", "If-Range"])),
        expose_headers: section.parsed_texts("expose_headers", header_name).unwrap_or_else(|| owned(&exposed)),
        max_age: section.duration("max_age", DAY, Duration::ZERO..=30 * DAY),
    };
    if cors.allow_origins.len() > 1 && cors.allow_origins.iter().any(|origin| origin == "*") {
        section.problem("allow_origins", "has * beside others, which then mean nothing");
    }
    section.finish();
    cors
}

fn origin(text: &str) -> Result<String, String> {
    let is_origin = |url: Url| url.origin().is_tuple() && url.origin().ascii_serialization() == text;
    if text == "*" || Url::parse(text).is_ok_and(is_origin) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is neither * nor an origin such as https://example.org"))
}

fn method(text: &str) -> Result<String, String> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("{text:?} is not a method")),
    }
}

fn header_name(text: &str) -> Result<String, String> {
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("{text:?} is not a header name")),
    }
}

pub(super) fn header_rules(sections: Vec<Section<'_>>) -> Vec<HeaderRule> {
    sections.into_iter().map(header_rule).collect()
}

fn header_rule(mut section: Section<'_>) -> HeaderRule {
    let status = |text: &str| match text.parse::<u16>() {
        Ok(status) if (100..=599).contains(&status) => Ok(status),
        _ => Err(format!("{text:?} is not a status code")),
    };
    let given = section.has("status_codes");
    let rule = HeaderRule {
        status_codes: section.parsed_texts("status_codes", status).unwrap_or_default(),
        override_existing: section.switch("override", false),
        values: answer_headers(&mut section, "values").into_iter().collect(),
    };
    if !given {
        section.problem("status_codes", "is missing");
    }
    section.finish();
    rule
}

/// A table of headers for answers. Some follow from the answer and cannot be chosen.
pub(super) fn answer_headers(section: &mut Section<'_>, key: &str) -> BTreeMap<String, String> {
    let headers = headers(section, key);
    for name in headers.keys().filter(|name| is_reserved(name)) {
        section.problem(&format!("{key}.{name}"), "follows from the answer and cannot be configured");
    }
    headers
}

/// A table of header names and values, all of them valid HTTP.
pub(super) fn headers(section: &mut Section<'_>, key: &str) -> BTreeMap<String, String> {
    let headers = section.texts_by_name(key);
    let mut seen = HashSet::new();
    for (name, value) in &headers {
        let place = format!("{key}.{name}");
        if let Err(why) = header_name(name) {
            section.problem(&place, why);
        }
        if HeaderValue::from_str(value).is_err() {
            // The value may be a secret, so it is not repeated.
            section.problem(&place, "is not a header value");
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            section.problem(&place, "stands there twice; the case of a header's name does not matter");
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(text: &str) -> Result<String, String> {
        text.parse::<Listener>().map(|listener| listener.to_string())
    }

    #[test]
    fn listeners_are_understood_in_all_their_forms() {
        let known = [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:80", "[::1]:80"),
            (":8080", "0.0.0.0:8080"),
            ("localhost:0", "127.0.0.1:0"),
            ("unix:/run/mortar.sock", "unix:/run/mortar.sock"),
        ];
        for (text, expected) in known {
            assert_eq!(listener(text).as_deref(), Ok(expected));
        }
        for text in ["", "8080", "host", "::1:80", "1.2.3.4", "1.2.3.4:99999", "unix:", "unix:x", "example.org:80"] {
            assert!(listener(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_is_scheme_and_host() {
        assert!(["*", "https://example.org", "http://localhost:3000"].iter().all(|text| origin(text).is_ok()));
        assert!(["example.org", "https://example.org/", "https://a.b/c", ""].iter().all(|text| origin(text).is_err()));
    }
}

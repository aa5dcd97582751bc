use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// The port of an address that names none.
const DEFAULT_PORT: u16 = 6379;
const FORMS: &str = "is not host, host:port, redis://…, rediss://… or unix:/path";

/// A Redis server or cluster, and how it is used: part of `[server.cache]` and of `[server.lock]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisConfig {
    /// Whether the servers form a cluster.
    pub topology: RedisTopology,
    /// The server, or those of the cluster that are asked first. Never empty; just one outside of clusters.
    pub endpoints: Vec<RedisEndpoint>,
    /// The number of the database; always zero in a cluster.
    pub database: u32,
    /// Who this service says it is, where the server wants to know.
    pub credentials: RedisCredentials,
    /// A file of certificates (PEM) that are trusted instead of those of this machine.
    pub ca_certificate: Option<PathBuf>,
    /// What every key and channel begins with, so that installations can share a server.
    pub key_prefix: String,
    /// Connections open at most, besides the one that listens for announcements.
    pub connections: usize,
    /// Limit for opening a connection: address, TLS and credentials together.
    pub connect_timeout: Duration,
    /// Limit for waiting until a connection is free, and for its answer to the question whether it still works.
    pub wait_timeout: Duration,
}

/// How the servers belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisTopology {
    /// One server.
    Single,
    /// A cluster that shares the keys out among its servers.
    Cluster,
}

/// Where one server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisEndpoint {
    /// A TCP port.
    Tcp {
        /// A name or an address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether TLS is spoken there.
        tls: bool,
    },
    /// A unix socket.
    Unix(PathBuf),
}

/// A name and a password, either of which may be missing. The password is in no debug output.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RedisCredentials {
    /// The name; without one the server's default user is meant.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// An address as it stands in the configuration, with what its URL says besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedisAddress {
    pub(super) endpoint: RedisEndpoint,
    pub(super) database: Option<u32>,
    pub(super) credentials: RedisCredentials,
}

impl RedisEndpoint {
    /// Whether TLS is spoken there.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }
}

impl FromStr for RedisAddress {
    type Err = String;

    /// Reads `host`, `host:port`, `[::1]:6379`, `redis://name:password@host:port/database`, `rediss://…` or
    /// `unix:/path`. Messages never repeat what may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        if text.contains("://") {
            return by_url(text);
        }
        if text.contains('@') {
            return Err("needs redis:// or rediss:// in front for a name or password".to_owned());
        }
        let endpoint = host_and_port(text).ok_or_else(|| format!("{text:?} {FORMS}"))?;
        Ok(endpoint.into())
    }
}

impl From<RedisEndpoint> for RedisAddress {
    fn from(endpoint: RedisEndpoint) -> Self {
        Self { endpoint, database: None, credentials: RedisCredentials::default() }
    }
}

fn unix(path: &str) -> Result<RedisAddress, String> {
    let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
    if !path.is_absolute() || path.file_name().is_none() {
        return Err(format!("the path {:?} of the socket is not absolute", path.display().to_string()));
    }
    Ok(RedisEndpoint::Unix(path).into())
}

fn host_and_port(text: &str) -> Option<RedisEndpoint> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return endpoint(&format!("[{text}]"), DEFAULT_PORT);
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => endpoint(host, port.parse().ok()?),
        _ => endpoint(text, DEFAULT_PORT),
    }
}

fn endpoint(host: &str, port: u16) -> Option<RedisEndpoint> {
    let host = match Host::parse(host).ok().filter(|_| port > 0)? {
        Host::Domain(name) => name,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Some(RedisEndpoint::Tcp { host, port, tls: false })
}

fn by_url(text: &str) -> Result<RedisAddress, String> {
    let url = Url::parse(text).map_err(|why| format!("is not an address: {why}"))?;
    let secure = match url.scheme() {
        "redis" => false,
        "rediss" => true,
        other => return Err(format!("the scheme {other:?} is neither redis nor rediss")),
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err("may have no ? and no #; write them as %3F and %23 in a password".to_owned());
    }
    let host = url.host_str().and_then(|host| endpoint(host, url.port().unwrap_or(DEFAULT_PORT)));
    let Some(RedisEndpoint::Tcp { host, port, .. }) = host else {
        return Err("has no host, or one that is none".to_owned());
    };
    let database = match url.path().trim_start_matches('/') {
        "" => None,
        number => Some(number.parse().map_err(|_| format!("{number:?} is not the number of a database"))?),
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    let given = |text: &str| (!text.is_empty()).then(|| decoded(text).ok_or("its name or password is not UTF-8"));
    let credentials = RedisCredentials {
        username: given(url.username()).transpose()?,
        password: url.password().and_then(given).transpose()?,
    };
    Ok(RedisAddress { endpoint: RedisEndpoint::Tcp { host, port, tls: secure }, database, credentials })
}

impl fmt::Debug for RedisCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "…");
        f.debug_struct("RedisCredentials").field("username", &self.username).field("password", &password).finish()
    }
}

impl fmt::Display for RedisEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RedisAddress, String> {
        text.parse()
    }

    /// Red when an address is cut at its first colon: `rsplit_once(':')` replaced by `split_once(':')` where the port is
    /// taken off.
    #[test]
    fn fault_12_addresses_are_understood_in_all_their_forms() {
        let known = [
            ("cache", "cache:6379", false, None),
            ("cache:7000", "cache:7000", false, None),
            ("10.0.0.7", "10.0.0.7:6379", false, None),
            ("::1", "[::1]:6379", false, None),
            ("[::1]", "[::1]:6379", false, None),
            ("[::1]:7000", "[::1]:7000", false, None),
            ("redis://cache", "cache:6379", false, None),
            ("redis://cache:7000/3", "cache:7000", false, Some(3)),
            ("rediss://[2001:db8::1]:7000/", "[2001:db8::1]:7000", true, None),
            ("unix:/run/redis.sock", "unix:/run/redis.sock", false, None),
            ("unix:///run/redis.sock", "unix:/run/redis.sock", false, None),
        ];
        for (text, endpoint, tls, database) in known {
            let address = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(address.endpoint.to_string(), endpoint, "{text}");
            assert_eq!((address.endpoint.is_tls(), address.database), (tls, database), "{text}");
        }
    }

    /// Red when a port that is none becomes the default one: `unwrap_or(6379)` where it is parsed.
    #[test]
    fn fault_12_garbage_is_refused() {
        let garbage = [
            "",
            ":6379",
            "cache:",
            "cache:0",
            "cache:99999",
            "cache:redis",
            "two words",
            "[::1",
            "[::1]:x",
            "http://cache",
            "redis://",
            "redis://:6379",
            "redis://cache/first",
            "redis://cache/1/2",
            "redis://cache?db=1",
            "unix:",
            "unix:relative.sock",
            "name:secret@cache",
        ];
        for text in garbage {
            assert!(read(text).is_err(), "{text:?} was understood");
        }
    }

    #[test]
    fn names_and_passwords_are_decoded_and_never_shown() {
        let address = read("redis://mortar:p%40ss%2Fword@cache").unwrap();
        assert_eq!(address.credentials.username.as_deref(), Some("mortar"));
        assert_eq!(address.credentials.password.as_deref(), Some("p@ss/word"));
        assert!(!format!("{address:?}").contains("ss/word"));
        let refusals = ["redis://:secret@cache/x", "redis://a:secret@", "a:secret@cache", "redis://:secret@cache?x"];
        assert!(refusals.iter().all(|text| !read(text).unwrap_err().contains("secret")));
    }
}

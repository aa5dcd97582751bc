//! Reads the keys that say where a Redis is, the same in `[server.cache]` and `[server.lock]`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::reader::Section;
use super::redis::RedisAddress;
use super::units::{HOUR, SHORTEST};
use super::{RedisConfig, RedisCredentials, RedisEndpoint, RedisTopology};

/// `topology` is `None` when another type of cache or lock is chosen: the keys are then checked and not used.
pub(super) fn redis(section: &mut Section<'_>, topology: Option<RedisTopology>) -> Option<RedisConfig> {
    let (given_addresses, addresses) = addresses(section);
    let database = section.count("database", 0, 0..=1_000_000);
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let credentials =
        RedisCredentials { username: given(section.text("username")), password: given(section.text("password")) };
    let ca_certificate = given(section.text("ca_certificate")).map(PathBuf::from);
    let key_prefix = section.parsed("key_prefix", key_prefix).unwrap_or_else(|| "mortar".to_owned());
    let connections = section.count("connections", 8, 1..=1_000);
    let connect_timeout = section.duration("connect_timeout", Duration::from_secs(1), SHORTEST..=HOUR);
    let wait_timeout = section.duration("wait_timeout", Duration::from_millis(20), SHORTEST..=HOUR);

    let topology = topology?;
    check_number(section, topology, given_addresses);
    let config = RedisConfig {
        topology,
        database: agreed(section, "database", Some(database).filter(|number| *number > 0), &addresses, |address| {
            address.database
        })
        .unwrap_or(0),
        credentials: RedisCredentials {
            username: agreed(section, "username", credentials.username, &addresses, |address| {
                address.credentials.username.clone()
            }),
            password: agreed(section, "password", credentials.password, &addresses, |address| {
                address.credentials.password.clone()
            }),
        },
        endpoints: addresses.into_iter().map(|address| address.endpoint).collect(),
        ca_certificate,
        key_prefix,
        connections,
        connect_timeout,
        wait_timeout,
    };
    check(section, &config);
    Some(config)
}

/// How many addresses are given, and those of them that are understood.
fn addresses(section: &mut Section<'_>) -> (usize, Vec<RedisAddress>) {
    let texts = section.texts("address").unwrap_or_default();
    let mut addresses = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match RedisAddress::from_str(text) {
            Ok(address) => addresses.push(address),
            Err(why) => section.problem(&format!("address[{index}]"), why),
        }
    }
    (texts.len(), addresses)
}

fn key_prefix(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        return Err("must have 1 to 64 letters, digits and - _ . : only");
    }
    Ok(text.to_owned())
}

fn check_number(section: &Section<'_>, topology: RedisTopology, addresses: usize) {
    match (topology, addresses) {
        (_, 0) => section.problem("address", "is missing; where is the Redis?"),
        (RedisTopology::Single, 2..) => section.problem("address", "has several servers; type redis-cluster has those"),
        _ => {}
    }
}

/// What the key and all addresses say together; a problem where they differ.
fn agreed<T: PartialEq>(
    section: &Section<'_>,
    key: &str,
    own: Option<T>,
    addresses: &[RedisAddress],
    of: impl Fn(&RedisAddress) -> Option<T>,
) -> Option<T> {
    let mut said = own.into_iter().chain(addresses.iter().filter_map(of));
    let first = said.next()?;
    if said.any(|other| other != first) {
        section.problem(key, "differs from what an address says, or one address from another");
    }
    Some(first)
}

fn check(section: &Section<'_>, config: &RedisConfig) {
    let tls = config.endpoints.iter().filter(|endpoint| endpoint.is_tls()).count();
    if config.credentials.username.is_some() && config.credentials.password.is_none() {
        section.problem("password", "is missing; there is a username");
    }
    if config.ca_certificate.is_some() && tls == 0 && !config.endpoints.is_empty() {
        section.problem("ca_certificate", "is of no use without an address that begins with rediss://");
    }
    if config.topology == RedisTopology::Single {
        return;
    }
    if config.database > 0 {
        section.problem("database", "a cluster has the database 0 only");
    }
    if config.endpoints.iter().any(|endpoint| matches!(endpoint, RedisEndpoint::Unix(_))) {
        section.problem("address", "a cluster cannot be reached by a unix socket");
    }
    if tls > 0 && tls < config.endpoints.len() {
        section.problem("address", "all servers of a cluster speak TLS, or none does");
    }
    if config.ca_certificate.is_some() {
        section.problem("ca_certificate", "is not for clusters: add the certificate to those that this machine trusts");
    }
}

//! Reads `[s3]`, the keys of storages of kind `s3`, and `[buckets.NAME.glacier]`.

use std::collections::HashMap;
use std::time::Duration;

use url::{Position, Url};

use super::reader::Section;
use super::units::{DAY, HOUR, MIB, MOST_BYTES, SHORTEST};
use super::{
    AwsEnvironment, CredentialSource, GlacierConfig, RestoreTier, S3Config, S3StorageConfig, StaticCredentials,
};

/// The keys of a storage that only the kind `s3` has.
const KEYS: [&str; 8] =
    ["endpoint", "region", "path_style", "credentials", "profile", "access_key", "secret_access_key", "session_token"];

pub(super) fn s3(mut section: Section<'_>, environment: &HashMap<String, String>) -> S3Config {
    let seconds = Duration::from_secs;
    let s3 = S3Config {
        connect_timeout: section.duration("connect_timeout", seconds(4), SHORTEST..=HOUR),
        tls_timeout: section.duration("tls_timeout", seconds(5), SHORTEST..=HOUR),
        first_byte_timeout: section.duration("first_byte_timeout", seconds(10), SHORTEST..=HOUR),
        idle_body_timeout: section.duration("idle_body_timeout", seconds(10), SHORTEST..=HOUR),
        attempts: section.count("attempts", 3, 1..=20),
        backoff: section.duration("backoff", Duration::from_millis(100), Duration::from_millis(1)..=seconds(60)),
        idle_connections: section.count("idle_connections", 50, 0..=10_000),
        part_size: section.size("part_size", 8 * MIB, 5 * MIB..=64 * MIB),
        parts_in_flight: section.count("parts_in_flight", 2, 1..=64),
        upload_memory: section.size("upload_memory", 128 * MIB, 16 * MIB..=MOST_BYTES),
        machine: AwsEnvironment::of(environment),
    };
    if s3.upload_memory < s3.part_size * (s3.parts_in_flight as u64 + 1) {
        section.problem("upload_memory", "must hold the parts of one upload in flight and one more");
    }
    section.finish();
    s3
}

/// The S3 keys of a storage. They are known in every storage, so that a misplaced one is told as what it is.
pub(super) fn s3_storage(section: &mut Section<'_>, is_s3: bool, glacier: &GlacierConfig) -> Option<S3StorageConfig> {
    if !is_s3 {
        for key in KEYS {
            let given = section.has(key);
            section.skip(key);
            if given {
                section.problem(key, "has no meaning for this kind of storage");
            }
        }
        return None;
    }
    let endpoint = section.parsed("endpoint", endpoint);
    let region = section.parsed("region", region).unwrap_or_else(|| "us-east-1".to_owned());
    let path_style = section.switch("path_style", endpoint.is_some());
    let credentials = credentials(section)?;
    Some(S3StorageConfig { endpoint, region, path_style, credentials, glacier: glacier.clone() })
}

fn credentials(section: &mut Section<'_>) -> Option<CredentialSource> {
    let sources = [
        ("static", Named::Static),
        ("automatic", Named::Automatic),
        ("environment", Named::Environment),
        ("profile", Named::Profile),
        ("web-identity", Named::WebIdentity),
        ("container", Named::Container),
        ("instance", Named::Instance),
    ];
    let chosen = section.choice("credentials", &sources);
    let profile = section.text("profile").filter(|name| !name.is_empty());
    let [access_key, secret_access_key, session_token] = ["access_key", "secret_access_key", "session_token"]
        .map(|key| section.text(key).filter(|text| !text.is_empty()));
    let any_key = access_key.is_some() || secret_access_key.is_some() || session_token.is_some();
    let source = chosen.unwrap_or(if any_key { Named::Static } else { Named::Automatic });
    if any_key && source != Named::Static {
        section.problem("credentials", "are not \"static\", but keys are given besides");
    }
    if profile.is_some() && source != Named::Profile {
        section.problem("profile", "has a meaning only with credentials = \"profile\"");
    }
    Some(match source {
        Named::Static => {
            for (key, given) in [("access_key", &access_key), ("secret_access_key", &secret_access_key)] {
                if given.is_none() {
                    section.problem(key, "is missing; credentials that stand here need both keys");
                }
            }
            let (access_key, secret_access_key) = (access_key?, secret_access_key?);
            CredentialSource::Static(StaticCredentials { access_key, secret_access_key, session_token })
        }
        Named::Automatic => CredentialSource::Automatic,
        Named::Environment => CredentialSource::Environment,
        Named::Profile => CredentialSource::Profile(profile),
        Named::WebIdentity => CredentialSource::WebIdentity,
        Named::Container => CredentialSource::Container,
        Named::Instance => CredentialSource::Instance,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Static,
    Automatic,
    Environment,
    Profile,
    WebIdentity,
    Container,
    Instance,
}

pub(super) fn glacier(mut section: Section<'_>) -> GlacierConfig {
    let tiers = [RestoreTier::Standard, RestoreTier::Expedited, RestoreTier::Bulk].map(|tier| (tier.name(), tier));
    let enabled = section.switch("enabled", false);
    let restore_tier = section.choice("restore_tier", &tiers).unwrap_or(RestoreTier::Standard);
    let restore_days = section.count("restore_days", 3, 1..=30);
    let retry_after = section.duration("retry_after", Duration::ZERO, Duration::ZERO..=7 * DAY);
    section.finish();
    let retry_after = if retry_after.is_zero() { restore_tier.usual_time() } else { retry_after };
    GlacierConfig { enabled, restore_tier, restore_days, retry_after }
}

fn endpoint(text: &str) -> Result<Url, String> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    match Url::parse(&with_scheme) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
            Err("is not an http or https address".to_owned())
        }
        // Keys would be put after a path and a query as well, but servers do not agree about what is signed then.
        Ok(url) if &url[Position::BeforePath..] != "/" || url.has_authority() && !url.username().is_empty() => {
            Err("must be a scheme, a host and a port and nothing else".to_owned())
        }
        Ok(url) => Ok(url),
        Err(why) => Err(format!("is not an address: {why}")),
    }
}

fn region(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err(format!("{text:?} is not a region such as us-east-1"));
    }
    Ok(text.to_owned())
}

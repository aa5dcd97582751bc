use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// How S3 endpoints are spoken to: section `[s3]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Config {
    /// Limit for resolving the name and connecting, per address.
    pub connect_timeout: Duration,
    /// Limit for the TLS handshake.
    pub tls_timeout: Duration,
    /// Limit from the last byte sent to the answer's headers; also for a peer that takes no more of a body.
    pub first_byte_timeout: Duration,
    /// Limit between two chunks of a body.
    pub idle_body_timeout: Duration,
    /// How often one request is sent at most, the first time included.
    pub attempts: u32,
    /// The wait before the second attempt, at most; it doubles with each further one. The real wait is drawn below it.
    pub backoff: Duration,
    /// Connections kept open by each storage while idle.
    pub idle_connections: usize,
    /// Bytes of one part of a large upload. Smaller bodies go in one request.
    pub part_size: u64,
    /// Parts of one upload on their way at once.
    pub parts_in_flight: usize,
    /// Bytes of parts that one storage holds in memory at once, over all its uploads.
    pub upload_memory: u64,
    /// What the machine says of credentials.
    pub machine: AwsEnvironment,
}

/// A storage of kind `s3`: where its endpoint is and whose name is used there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3StorageConfig {
    /// The endpoint; `None` for AWS itself.
    pub endpoint: Option<Url>,
    /// The region that requests are signed for.
    pub region: String,
    /// Whether the bucket stands in the path rather than in the host name.
    pub path_style: bool,
    /// Where credentials come from.
    pub credentials: CredentialSource,
    /// What to do about objects in an archive.
    pub glacier: GlacierConfig,
}

/// Where the credentials of an S3 storage come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The configuration.
    Static(StaticCredentials),
    /// The first of the others that has any, in this order.
    Automatic,
    /// `AWS_ACCESS_KEY_ID` and its companions.
    Environment,
    /// A profile of the shared credentials file, by name; `None` for the one that the environment names.
    Profile(Option<String>),
    /// A token file that is exchanged at STS (IRSA).
    WebIdentity,
    /// The endpoint that containers are told of.
    Container,
    /// The instance metadata service, version 2.
    Instance,
}

/// Credentials that stand in the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    /// The public name.
    pub access_key: String,
    /// The secret. Not printed by `Debug`.
    pub secret_access_key: String,
    /// Goes with temporary credentials. Not printed by `Debug`.
    pub session_token: Option<String>,
}

/// What AWS tools read from the environment, taken once. Secrets in it are not printed by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AwsEnvironment(HashMap<String, String>);

/// Objects in an archive storage class: section `[buckets.NAME.glacier]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlacierConfig {
    /// Whether reading such an object asks for its restoration.
    pub enabled: bool,
    /// How fast: what the restoration costs depends on it.
    pub restore_tier: RestoreTier,
    /// Days that a restored copy is kept.
    pub restore_days: u32,
    /// What `Retry-After` says while it is being restored.
    pub retry_after: Duration,
}

/// How fast an archived object is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreTier {
    /// Within hours.
    Standard,
    /// Within minutes.
    Expedited,
    /// Within half a day.
    Bulk,
}

impl RestoreTier {
    /// Its name in the S3 interface.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Expedited => "Expedited",
            Self::Bulk => "Bulk",
        }
    }

    /// About how long it takes.
    pub fn usual_time(self) -> Duration {
        Duration::from_secs(match self {
            Self::Standard => 4 * 3600,
            Self::Expedited => 300,
            Self::Bulk => 12 * 3600,
        })
    }
}

impl Default for GlacierConfig {
    fn default() -> Self {
        let restore_tier = RestoreTier::Standard;
        Self { enabled: false, restore_tier, restore_days: 3, retry_after: restore_tier.usual_time() }
    }
}

impl AwsEnvironment {
    /// Takes the variables that begin with `AWS_`, and `HOME`.
    pub fn of(environment: &HashMap<String, String>) -> Self {
        let ours = |name: &str| name.starts_with("AWS_") || name == "HOME";
        let taken = environment.iter().filter(|(name, _)| ours(name));
        Self(taken.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The shared credentials file.
    pub fn credentials_file(&self) -> Option<PathBuf> {
        let named = self.get("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        named.or_else(|| Some(PathBuf::from(self.get("HOME")?).join(".aws/credentials")))
    }
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticCredentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl fmt::Debug for AwsEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

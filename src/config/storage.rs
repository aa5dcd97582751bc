use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::S3StorageConfig;
use crate::domain::PlanLimits;

/// One storage of a bucket, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// What kind of store it is.
    pub kind: StorageKind,
    /// `local`, `local-meta`: the directory that holds one directory per container.
    pub root_path: Option<PathBuf>,
    /// Put before every key.
    pub path_prefix: String,
    /// Name of the container, where it is not the bucket's own name.
    pub bucket: Option<String>,
    /// `http`: the origin, with the places `<container>` and `<item>`.
    pub url: Option<String>,
    /// `http`: headers sent with every request.
    pub headers: BTreeMap<String, String>,
    /// `s3`: the endpoint and the credentials.
    pub s3: Option<S3StorageConfig>,
}

/// The kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageKind {
    /// Plain files.
    Local,
    /// Files that begin with their metadata.
    LocalMeta,
    /// A bucket behind an S3 endpoint.
    S3,
    /// An HTTP origin, read only.
    Http,
    /// Holds nothing: reads find nothing and writes vanish.
    Noop,
}

/// How HTTP origins are reached, and which of them may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginConfig {
    /// Limit for resolving the name and connecting, per address.
    pub connect_timeout: Duration,
    /// Limit for the TLS handshake.
    pub tls_timeout: Duration,
    /// Limit from the request sent to the answer's headers.
    pub first_byte_timeout: Duration,
    /// Limit between two chunks of a body.
    pub idle_body_timeout: Duration,
    /// Redirects followed at most; each target is checked again.
    pub max_redirects: u32,
    /// Non-global networks that may be reached all the same.
    pub allow_networks: Vec<IpNet>,
    /// Connections kept open per host while idle.
    pub idle_connections_per_host: usize,
    /// Largest body accepted, in bytes.
    pub max_body_bytes: u64,
}

/// What a picture may cost. Every limit has its own key and answers with a clear 4xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Largest source, in bytes (413).
    pub source_bytes: u64,
    /// Most pixels of a source, read from its header before decoding; width x height x frames (422).
    pub source_pixels: u64,
    /// Longest side of a result, in pixels (400).
    pub output_side: u32,
    /// Most pixels of a result, over all its frames (400).
    pub output_pixels: u64,
    /// Most frames of an animation; further ones are an error, not dropped (422).
    pub frames: u32,
    /// Largest watermark, in bytes (413).
    pub watermark_bytes: u64,
    /// Most operations in one plan, over all its steps (400).
    pub operations: usize,
    /// Memory that all renders together may take, by estimate, in bytes. One that alone needs more is refused (422).
    pub render_memory_bytes: u64,
}

/// Encoder settings where the URL names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingConfig {
    /// Default JPEG quality, 1 to 100.
    pub jpeg_quality: u8,
    /// Default WebP quality, 1 to 100.
    pub webp_quality: u8,
    /// WebP effort: 0 (fast) to 6 (small).
    pub webp_method: u8,
    /// Default AVIF quality, 1 to 100.
    pub avif_quality: u8,
    /// AVIF speed: 5 (small) to 10 (fast).
    pub avif_speed: u8,
    /// PNG compression: 1 (fast) to 9 (small).
    pub png_compression: u8,
}

impl LimitsConfig {
    /// Those that a URL can be checked against.
    pub fn of_plans(&self) -> PlanLimits {
        PlanLimits { operations: self.operations, output_side: self.output_side }
    }
}

//! The configuration: read once, validated into types, passed down in pieces.
//!
//! [`load()`] reports every problem at once, each with its place. The default configuration is `config.toml` at the root
//! of the repository, which explains every key; it is part of the program and used when no file is named.

mod actors;
mod bucket;
mod expand;
mod load;
mod problems;
mod read_buckets;
mod read_presets;
mod read_redis;
mod read_s3;
mod read_s3_api;
mod read_server;
mod reader;
mod redis;
mod s3;
mod s3_api;
mod sections;
mod server;
mod storage;
mod summary;
mod units;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use actors::{
    ActorsConfig, CacheActorConfig, LockActorConfig, StorageActorConfig, StoreBackConfig, SupervisionConfig,
    TransformActorConfig,
};
pub use bucket::{AccessKey, BucketConfig};
pub use load::{DEFAULT_CONFIG, environment, load, parse};
pub use problems::{Problem, Problems};
pub use redis::{RedisConfig, RedisCredentials, RedisEndpoint, RedisTopology};
pub use s3::{
    AwsEnvironment, CredentialSource, GlacierConfig, RestoreTier, S3Config, S3StorageConfig, StaticCredentials,
};
pub use s3_api::S3ApiConfig;
pub use server::{
    CacheConfig, CacheKind, CorsConfig, HeaderRule, Listener, LockKind, LogFormat, Placeholder, ServerConfig,
    WatermarkConfig,
};
pub use storage::{EncodingConfig, LimitsConfig, OriginConfig, StorageConfig, StorageKind};

use crate::domain::{Bucket, Buckets};

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Listeners, logs, time-outs, cache, CORS.
    pub server: ServerConfig,
    /// Headers by status code, in the order in which they are applied.
    pub headers: Vec<HeaderRule>,
    /// What a picture may cost.
    pub limits: LimitsConfig,
    /// Encoder settings where the URL names none.
    pub encoding: EncodingConfig,
    /// How HTTP origins are reached.
    pub origins: OriginConfig,
    /// How S3 endpoints are spoken to.
    pub s3: S3Config,
    /// Which pictures may be laid over others.
    pub watermarks: WatermarkConfig,
    /// The bounds of the actors.
    pub actors: ActorsConfig,
    /// Mortar as an S3 server.
    pub s3_api: S3ApiConfig,
    /// How failed actors are rebuilt.
    pub supervision: SupervisionConfig,
    /// Credentials, headers and storages of each bucket, by name.
    pub buckets: BTreeMap<String, BucketConfig>,
    /// How the URLs of each bucket are understood.
    pub routes: Arc<Buckets>,
}

impl Config {
    /// The buckets that somebody may write to through the S3 interface.
    pub fn written_to(&self) -> impl Iterator<Item = &Arc<Bucket>> {
        self.routes.iter().filter(|bucket| {
            let keys = self.buckets.get(&**bucket.name()).into_iter().flat_map(|bucket| &bucket.keys);
            self.s3_api.key.iter().chain(keys).any(|key| !key.read_only)
        })
    }
}

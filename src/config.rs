//! The configuration: read once, validated into types, passed down in pieces.

mod storage;

pub use storage::{EncodingConfig, LimitsConfig, OriginConfig, StorageConfig, StorageKind};

use std::collections::BTreeMap;
use std::fmt;

use super::StorageConfig;

/// One bucket: section `[buckets.NAME]`. How its URLs are understood is in [`Buckets`](crate::domain::Buckets).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketConfig {
    /// Credentials of the S3 interface.
    pub keys: Vec<AccessKey>,
    /// Whether anybody may list the objects, without a signature.
    pub public_listing: bool,
    /// Headers that each answer gets unless it already has them, in the order of their names.
    pub headers: Vec<(String, String)>,
    /// Storages by name. `basic` is always there, `transform` where the bucket transforms.
    pub storages: BTreeMap<String, StorageConfig>,
}

/// A pair of S3 credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The public name.
    pub access_key: String,
    /// The secret. Not printed by `Debug`.
    pub secret_access_key: String,
    /// Whether it may only read.
    pub read_only: bool,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("access_key", &self.access_key)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

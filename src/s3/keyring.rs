use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

use crate::config::{BucketConfig, S3ApiConfig};

/// Access keys, their secrets, and what each may do. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keyring {
    holders: Arc<HashMap<String, Holder>>,
}

struct Holder {
    secret: SecretKey,
    everywhere: bool,
    buckets: BTreeMap<String, Right>,
}

/// What the holder of a key may do in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Read and list.
    Read,
    /// That, and change.
    Write,
}

impl Keyring {
    /// Takes keys of a validated configuration: none of them stands for two secrets.
    pub(super) fn new(api: &S3ApiConfig, buckets: &BTreeMap<String, BucketConfig>) -> Self {
        let mut holders: HashMap<String, Holder> = HashMap::new();
        let everywhere = api.key.iter().map(|key| (None, key));
        let bound = buckets.iter().flat_map(|(name, bucket)| bucket.keys.iter().map(move |key| (Some(name), key)));
        for (bucket, key) in everywhere.chain(bound) {
            let holder = holders.entry(key.access_key.clone()).or_insert_with(|| Holder {
                secret: SecretKey::from(key.secret_access_key.as_str()),
                everywhere: false,
                buckets: BTreeMap::new(),
            });
            match bucket {
                None => holder.everywhere = true,
                Some(bucket) => {
                    let right = if key.read_only { Right::Read } else { Right::Write };
                    holder.buckets.insert(bucket.clone(), right);
                }
            }
        }
        Self { holders: Arc::new(holders) }
    }

    /// What a key may do in a bucket, if anything.
    pub(super) fn right(&self, access_key: &str, bucket: &str) -> Option<Right> {
        let holder = self.holders.get(access_key)?;
        if holder.everywhere { Some(Right::Write) } else { holder.buckets.get(bucket).copied() }
    }
}

#[async_trait]
impl S3Auth for Keyring {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let holder = self.holders.get(access_key).ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        Ok(holder.secret.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::config::parse;

    const BUCKETS: &str = r#"
        [s3_api]
        access_key = "root"
        secret_access_key = "r"
        [[buckets.one.keys]]
        access_key = "both"
        secret_access_key = "b"
        [buckets.one.storages.basic]
        kind = "noop"
        [[buckets.two.keys]]
        access_key = "both"
        secret_access_key = "b"
        read_only = true
        [buckets.two.storages.basic]
        kind = "noop"
        [buckets.three.storages.basic]
        kind = "noop"
    "#;

    #[tokio::test]
    async fn a_key_opens_the_buckets_that_have_it_and_no_other() {
        let config = parse(BUCKETS, &HashMap::new()).unwrap();
        let keyring = Keyring::new(&config.s3_api, &config.buckets);
        for (key, bucket, right) in [
            ("both", "one", Some(Right::Write)),
            ("both", "two", Some(Right::Read)),
            ("both", "three", None),
            ("root", "three", Some(Right::Write)),
            ("nobody", "one", None),
        ] {
            assert_eq!(keyring.right(key, bucket), right, "{key} in {bucket}");
        }
        assert_eq!(keyring.get_secret_key("both").await.unwrap().expose(), "b");
        assert!(keyring.get_secret_key("nobody").await.is_err());
    }
}

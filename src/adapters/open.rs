use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mortar_actors::storage::{OpenStore, Store};
use mortar_actors::{Fault, FaultKind, StoreId};

use super::{FileThreads, HttpOrigin, Layout, LocalStore, NoopStore, PrefixedStore, S3Store};
use crate::config::{OriginConfig, S3Config, StorageConfig, StorageKind};

/// Opens the storages of the configuration.
///
/// An id is `bucket/storage`, or `bucket/storage#container` where the storage is used for another container than the
/// bucket's own. A container named in the storage's configuration goes before both.
pub struct Stores {
    storages: HashMap<(String, String), (StorageConfig, FileThreads)>,
    origin: OriginConfig,
    s3: S3Config,
}

impl Stores {
    /// Knows `storages` by the names of bucket and storage; `origin` and `s3` say how those of kind `http` and
    /// `s3` are reached. Each local one works at most at so many files at once.
    pub fn new(
        storages: HashMap<(String, String), StorageConfig>,
        origin: OriginConfig,
        s3: S3Config,
        file_operations: usize,
    ) -> Self {
        let with_threads = |config| (config, FileThreads::new(file_operations));
        let storages = storages.into_iter().map(|(name, config)| (name, with_threads(config))).collect();
        Self { storages, origin, s3 }
    }

    /// Creates the directories of local storages that do not exist yet.
    ///
    /// Only done at start: a directory that goes missing later is a disk that went missing, and is reported.
    ///
    /// # Errors
    /// The first directory that cannot be created, and why.
    pub fn create_roots(&self) -> Result<(), (PathBuf, io::Error)> {
        for root in self.storages.values().filter_map(|(storage, _)| storage.root_path.as_ref()) {
            fs::create_dir_all(root).map_err(|cause| (root.clone(), cause))?;
        }
        Ok(())
    }

    /// The configuration of a storage, its threads, and the container to use in it.
    fn find<'a>(&'a self, id: &'a StoreId) -> Option<(&'a StorageConfig, &'a FileThreads, &'a str)> {
        let (bucket, storage) = id.as_str().split_once('/')?;
        let (storage, container) = storage.split_once('#').unwrap_or((storage, bucket));
        let (config, threads) = self.storages.get(&(bucket.to_owned(), storage.to_owned()))?;
        Some((config, threads, config.bucket.as_deref().unwrap_or(container)))
    }
}

#[async_trait]
impl OpenStore for Stores {
    async fn open(&self, id: &StoreId) -> Result<Arc<dyn Store>, Fault> {
        let (config, threads, container) = self.find(id).ok_or_else(|| unusable("it is not configured"))?;
        let store: Arc<dyn Store> = match config.kind {
            StorageKind::Local => local(config, container, Layout::Plain, threads).await?,
            StorageKind::LocalMeta => local(config, container, Layout::Sidecar, threads).await?,
            StorageKind::S3 => {
                let storage = config.s3.as_ref().ok_or_else(|| unusable("it has no endpoint"))?;
                Arc::new(S3Store::new(container, storage, &self.s3))
            }
            StorageKind::Http => {
                let url = config.url.as_deref().ok_or_else(|| unusable("it has no url"))?;
                Arc::new(HttpOrigin::new(url, container, &config.headers, &self.origin)?)
            }
            StorageKind::Noop => Arc::new(NoopStore),
        };
        Ok(PrefixedStore::wrap(&config.path_prefix, store))
    }
}

async fn local(
    config: &StorageConfig,
    container: &str,
    layout: Layout,
    threads: &FileThreads,
) -> Result<Arc<dyn Store>, Fault> {
    Ok(Arc::new(LocalStore::open(root(config)?, container, layout, threads.clone()).await?))
}

fn root(config: &StorageConfig) -> Result<PathBuf, Fault> {
    config.root_path.clone().ok_or_else(|| unusable("it has no root_path"))
}

fn unusable(why: &str) -> Fault {
    Fault::new(FaultKind::Internal, format!("a storage cannot be used: {why}"))
}

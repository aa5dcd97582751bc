//! From the configuration to a store.

use std::collections::HashMap;
use std::path::Path;

use mortar::adapters::Stores;
use mortar::config::{StorageConfig, StorageKind};
use mortar_actors::storage::{OpenStore, Store};
use mortar_actors::{FaultKind, StoreId};
use std::sync::Arc;
use tempfile::TempDir;

use crate::contract::{content, get, put};
use crate::origin::config;
use crate::s3;

fn storage(kind: StorageKind) -> StorageConfig {
    StorageConfig {
        kind,
        root_path: None,
        path_prefix: String::new(),
        bucket: None,
        url: None,
        headers: HashMap::new().into_iter().collect(),
        s3: None,
    }
}

fn local(root: &Path) -> StorageConfig {
    StorageConfig { root_path: Some(root.to_owned()), ..storage(StorageKind::LocalMeta) }
}

fn stores(configured: impl IntoIterator<Item = (&'static str, StorageConfig)>) -> Stores {
    let named = configured.into_iter().map(|(name, config)| (("photos".to_owned(), name.to_owned()), config));
    Stores::new(named.collect(), config(), s3::config(), 16)
}

async fn open(stores: &Stores, id: &str) -> Result<Arc<dyn Store>, FaultKind> {
    stores.open(&StoreId::new(id)).await.map_err(|fault| fault.kind())
}

#[tokio::test]
async fn the_container_is_the_buckets_own_or_the_asked_or_the_configured_one() {
    let root = TempDir::new().unwrap();
    let fixed = StorageConfig { bucket: Some("fixed".to_owned()), ..local(root.path()) };
    let prefixed = StorageConfig { path_prefix: "pre/fix".to_owned(), ..local(root.path()) };
    let stores = stores([("own", local(root.path())), ("fixed", fixed), ("prefixed", prefixed)]);
    let cases = [
        ("photos/own", "photos/a"),
        ("photos/own#media", "media/a"),
        ("photos/fixed", "fixed/a"),
        ("photos/fixed#media", "fixed/a"),
        ("photos/prefixed", "photos/pre/fix/a"),
    ];
    for (id, path) in cases {
        let store = open(&stores, id).await.unwrap();
        put(&*store, "a", content(3)).await.unwrap();
        assert!(root.path().join(path).is_file(), "{id}");
        std::fs::remove_file(root.path().join(path)).unwrap();
    }
}

#[tokio::test]
async fn what_is_not_configured_cannot_be_opened() {
    let root = TempDir::new().unwrap();
    let stores = stores([
        ("own", local(root.path())),
        ("rootless", storage(StorageKind::Local)),
        ("urlless", storage(StorageKind::Http)),
    ]);
    for id in ["photos/none", "other/own", "photos", "", "photos/rootless", "photos/urlless", "photos/own#../up"] {
        assert_eq!(open(&stores, id).await.err(), Some(FaultKind::Internal), "{id}");
    }
}

#[tokio::test]
async fn a_failure_to_open_is_not_remembered() {
    let root = TempDir::new().unwrap();
    let later = root.path().join("later");
    let stores = stores([("own", local(&later)), ("nothing", storage(StorageKind::Noop))]);
    assert_eq!(open(&stores, "photos/own").await.err(), Some(FaultKind::Upstream));
    std::fs::create_dir(&later).unwrap();
    assert!(open(&stores, "photos/own").await.is_ok());
    let nothing = open(&stores, "photos/nothing").await.unwrap();
    assert_eq!(get(&*nothing, "a").await, Err(FaultKind::NotFound));
}

//! Any file in a `local-meta` storage is an object: with its metadata if it begins with some, and all of it otherwise.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mortar::adapters::{FileThreads, Layout, LocalStore};
use mortar_actors::ObjectKey;
use mortar_actors::storage::Store;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

struct Ground {
    root: TempDir,
    runtime: Runtime,
    store: LocalStore,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let root = TempDir::new().expect("there is room for a directory");
    fs::create_dir(root.path().join("bucket")).expect("the directory is ours");
    let runtime = Builder::new_current_thread().build().expect("a runtime needs no more than memory");
    let opened = LocalStore::open(root.path().to_owned(), "bucket", Layout::Sidecar, FileThreads::new(4));
    let store = runtime.block_on(opened).expect("the container is there");
    Ground { root, runtime, store }
});

fuzz_target!(|file: &[u8]| {
    let Ground { root, runtime, store } = &*GROUND;
    fs::write(root.path().join("bucket/object"), file).expect("there is room for a small file");
    let (meta, body) = runtime.block_on(async {
        let fetched = store.fetch(&ObjectKey::new("object"), None).await.expect("every file is an object");
        let body = fetched.body.collect(file.len() as u64).await.expect("the file is whole");
        (fetched.meta, body)
    });
    assert!(file.ends_with(&body), "the content is not the end of the file");
    assert_eq!(meta.length, Some(body.len() as u64));
    assert!(body.len() == file.len() || file.starts_with(&[0x12, 0x34, 0x01]), "content was taken for metadata");
});

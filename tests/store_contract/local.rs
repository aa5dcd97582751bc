//! Directories: the contract, confinement, and what is read from disks that others have written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mortar::adapters::{FileThreads, Layout, LocalStore, PrefixedStore};
use mortar_actors::storage::{ListPage, ListRequest, Store};
use mortar_actors::{EntityTag, FaultKind, ObjectKey, ObjectMeta};
use tempfile::TempDir;

use crate::contract::{self, content, delete, get, put, put_with};

pub(crate) const LAYOUTS: [Layout; 2] = [Layout::Plain, Layout::Sidecar];

pub(crate) async fn open(root: &Path, layout: Layout) -> LocalStore {
    LocalStore::open(root.to_owned(), "photos", layout, FileThreads::new(4)).await.unwrap()
}

#[tokio::test]
async fn directories_keep_the_contract() {
    for layout in LAYOUTS {
        let root = TempDir::new().unwrap();
        let store = open(root.path(), layout).await;
        contract::is_kept(&store).await;
    }
}

#[tokio::test]
async fn directories_are_listed_page_by_page() {
    for layout in LAYOUTS {
        let root = TempDir::new().unwrap();
        contract::listings_are_whole_and_ordered(&open(root.path(), layout).await).await;
    }
}

#[tokio::test]
async fn a_directory_larger_than_a_page_is_listed_whole() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Plain).await;
    let container = root.path().join("photos");
    for i in 0..2_000 {
        let directory = container.join(format!("many/{:02}", i % 50));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{i:04}")), "x").unwrap();
        fs::write(container.join(format!("many/flat-{i:04}")), "x").unwrap();
        fs::create_dir_all(container.join(format!("many/empty-{i:04}"))).unwrap();
    }
    let mut request = ListRequest { prefix: "many/".to_owned(), max_keys: 70, ..ListRequest::default() };
    let mut told = Vec::new();
    loop {
        let page = store.list(&request).await.unwrap();
        told.extend(page.objects.into_iter().map(|listed| listed.key.to_string()));
        let Some(next) = page.next else { break };
        request.start_after = Some(next);
    }
    assert!(told.is_sorted());
    told.dedup();
    assert_eq!(told.len(), 4_000);
}

#[tokio::test]
async fn a_listing_shows_what_can_be_fetched_and_nothing_else() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Plain).await;
    put(&store, "dir/a", content(1)).await.unwrap();
    let container = root.path().join("photos");
    fs::write(root.path().join("secret"), "secret").unwrap();
    fs::write(container.join(".mortar-drafts/x"), "x").unwrap();
    fs::create_dir_all(container.join("empty/within")).unwrap();
    symlink("dir/a", container.join("within")).unwrap();
    symlink("../secret", container.join("upwards")).unwrap();
    symlink("loop", container.join("loop")).unwrap();
    symlink(".", container.join("dir/circle")).unwrap();
    let request = ListRequest { max_keys: 100, ..ListRequest::default() };
    let page = store.list(&request).await.unwrap();
    assert_eq!(page.objects.iter().map(|listed| listed.key.as_str()).collect::<Vec<_>>(), ["dir/a", "within"]);
    let request = ListRequest { delimiter: Some("/".to_owned()), ..request };
    assert_eq!(store.list(&request).await.unwrap().prefixes, ["dir/"], "a directory without objects is none");
    for prefix in ["../", "/", "dir/../", ".mortar-drafts/", "within/", "none/none"] {
        let request = ListRequest { prefix: prefix.to_owned(), max_keys: 100, ..ListRequest::default() };
        assert_eq!(store.list(&request).await.unwrap(), ListPage::default(), "{prefix}");
    }
}

#[tokio::test]
async fn a_prefixed_directory_keeps_the_contract_below_its_prefix() {
    let root = TempDir::new().unwrap();
    let store = PrefixedStore::wrap("/derived/v1/", std::sync::Arc::new(open(root.path(), Layout::Sidecar).await));
    contract::stat_tells_what_fetch_does(&*store).await;
    contract::absence(&*store).await;
    contract::overwriting_is_atomic(&*store).await;
    contract::conditions_hold(&*store).await;
    store.check().await.unwrap();
    assert!(root.path().join("photos/derived/v1/object").is_file());
    fs::write(root.path().join("photos/outside"), "x").unwrap();
    let listed = PrefixedStore::wrap("list", std::sync::Arc::new(open(root.path(), Layout::Sidecar).await));
    contract::listings_are_whole_and_ordered(&*listed).await;
    for key in ["../../outside", "../outside", "../v1/object"] {
        assert_eq!(get(&*store, key).await, Err(FaultKind::NotFound), "{key}");
        assert_eq!(put(&*store, key, content(1)).await, Err(FaultKind::Invalid), "{key}");
    }
}

#[tokio::test]
async fn a_container_appears_with_its_first_object() {
    for layout in LAYOUTS {
        let root = TempDir::new().unwrap();
        let store = open(root.path(), layout).await;
        store.check().await.unwrap();
        assert_eq!(get(&store, "a").await, Err(FaultKind::NotFound));
        assert_eq!(delete(&store, "a").await, Ok(()));
        assert!(!root.path().join("photos").exists());
        put(&store, "a", content(5)).await.unwrap();
        assert_eq!(get(&store, "a").await.unwrap(), content(5));
    }
}

#[tokio::test]
async fn a_missing_root_is_an_outage_and_not_a_miss() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Plain).await;
    let missing = LocalStore::open(root.path().join("missing"), "photos", Layout::Plain, FileThreads::new(4)).await;
    assert_eq!(missing.unwrap_err().kind(), FaultKind::Upstream);
    fs::remove_dir(root.path()).unwrap();
    assert_eq!(get(&store, "a").await, Err(FaultKind::Upstream));
    assert_eq!(put(&store, "a", content(1)).await, Err(FaultKind::Upstream));
    assert_eq!(delete(&store, "a").await, Err(FaultKind::Upstream));
    assert_eq!(store.check().await.unwrap_err().kind(), FaultKind::Upstream);
}

#[tokio::test]
async fn a_container_that_is_no_directory_is_an_outage() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("photos"), "x").unwrap();
    let opened = LocalStore::open(root.path().to_owned(), "photos", Layout::Plain, FileThreads::new(4)).await;
    assert_eq!(opened.unwrap_err().kind(), FaultKind::Upstream);
}

#[tokio::test]
async fn names_that_no_file_can_have_are_absent_and_cannot_be_written() {
    let longest = "n".repeat(256);
    let deepest = vec!["d"; 3000].join("/");
    let keys = ["", "/", "/etc/hostname", "..", "../x", "a/../b", "a//b", "a/", "./a", "a\0b", &longest, &deepest];
    for layout in LAYOUTS {
        let root = TempDir::new().unwrap();
        let store = open(root.path(), layout).await;
        put(&store, "a", content(1)).await.unwrap();
        for key in keys {
            assert_eq!(get(&store, key).await, Err(FaultKind::NotFound), "{key:?}");
            assert_eq!(put(&store, key, content(1)).await, Err(FaultKind::Invalid), "{key:?}");
            assert_eq!(delete(&store, key).await, Ok(()), "{key:?}");
        }
        assert_eq!(put(&store, "a/below", content(1)).await, Err(FaultKind::Invalid), "a file is no directory");
        put(&store, "dir/b", content(1)).await.unwrap();
        assert_eq!(put(&store, "dir", content(1)).await, Err(FaultKind::Invalid), "a directory is no file");
    }
}

#[tokio::test]
async fn no_symbolic_link_leads_out_of_the_container() {
    for layout in LAYOUTS {
        let root = TempDir::new().unwrap();
        let store = open(root.path(), layout).await;
        put(&store, "dir/inside", content(9)).await.unwrap();
        let container = root.path().join("photos");
        fs::write(root.path().join("secret"), "secret").unwrap();
        fs::create_dir(root.path().join("other")).unwrap();
        symlink("/etc/hostname", container.join("absolute")).unwrap();
        symlink("../secret", container.join("upwards")).unwrap();
        symlink("../other", container.join("sideways")).unwrap();
        symlink("dir/inside", container.join("within")).unwrap();
        symlink("loop", container.join("loop")).unwrap();

        for key in ["absolute", "upwards", "sideways/x"] {
            assert_eq!(get(&store, key).await, Err(FaultKind::NotFound), "{key}");
        }
        assert!(get(&store, "loop").await.is_err());
        assert_eq!(get(&store, "within").await.unwrap(), content(9));
        assert_eq!(put(&store, "sideways/x", content(1)).await, Err(FaultKind::Invalid));
        assert_eq!(delete(&store, "upwards").await, Ok(()));
        assert_eq!(put(&store, "absolute", content(1)).await.unwrap().length, Some(1), "the link itself is replaced");
        assert_eq!(fs::read(root.path().join("secret")).unwrap(), b"secret");
        assert!(!root.path().join("other/x").exists());
    }
}

#[tokio::test]
async fn files_that_others_have_written_are_objects() {
    let root = TempDir::new().unwrap();
    let container = root.path().join("photos");
    fs::create_dir(&container).unwrap();
    for (name, raw) in [
        ("empty", &b""[..]),
        ("two", b"\x12\x34"),
        ("raw.jpg", b"\x12\xff\xd8 raw"),
        ("lies", b"\x12\x34\x01\xff\xff\xff\xff"),
    ] {
        fs::write(container.join(name), raw).unwrap();
        for layout in LAYOUTS {
            let store = open(root.path(), layout).await;
            assert_eq!(get(&store, name).await.unwrap(), raw, "{name}");
            assert_eq!(store.stat(&ObjectKey::new(name)).await.unwrap().length, Some(raw.len() as u64), "{name}");
        }
    }
    // As mort writes it: metadata, then content.
    fs::write(container.join("mort"), b"\x12\x34\x01\x16\x00\x00\x00\x81\xaccontent-type\xa7image/xcontent").unwrap();
    let store = open(root.path(), Layout::Sidecar).await;
    let fetched = store.fetch(&ObjectKey::new("mort"), None).await.unwrap();
    assert_eq!(fetched.meta.content_type.as_deref(), Some("image/x"));
    assert_eq!(fetched.meta.length, Some(7));
    assert_eq!(fetched.body.collect(7).await.unwrap(), "content");
}

#[tokio::test]
async fn a_pipe_is_no_object_and_holds_nobody_up() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Plain).await;
    put(&store, "a", content(1)).await.unwrap();
    let pipe = root.path().join("photos/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let read = tokio::time::timeout(Duration::from_secs(10), get(&store, "pipe")).await;
    // Opened both ways, a pipe lets go whoever waits for it, so that this test can fail.
    let _release = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    assert_eq!(read.expect("opening the pipe waits"), Err(FaultKind::NotFound));
}

#[tokio::test]
async fn metadata_is_kept_beside_the_content() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Sidecar).await;
    let headers = [("cache-control", "max-age=60"), ("x-amz-meta-who", "me")];
    let meta = ObjectMeta {
        content_type: Some("image/avif".to_owned()),
        etag: Some(EntityTag::new("given")),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..ObjectMeta::default()
    };
    put_with(&store, "a.jpg", meta.clone(), content(1000)).await.unwrap();
    let read = open(root.path(), Layout::Sidecar).await.stat(&ObjectKey::new("a.jpg")).await.unwrap();
    assert_eq!(read.content_type, meta.content_type);
    assert_eq!(read.etag, meta.etag);
    assert_eq!(read.headers, meta.headers);
    assert_eq!(read.length, Some(1000));
}

#[tokio::test]
async fn a_validator_that_is_not_given_is_made_of_the_content() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Sidecar).await;
    let first = put(&store, "a", content(500_000)).await.unwrap();
    let same = put(&store, "b", contract::streamed(&content(500_000), 999)).await.unwrap();
    let other = put(&store, "c", content(500_001)).await.unwrap();
    assert_eq!(first.etag, same.etag);
    assert_ne!(first.etag, other.etag);
}

//! Directories: broken writes leave nothing behind, and nothing stays open.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use mortar::adapters::Layout;
use mortar_actors::storage::{PutCondition, Store};
use mortar_actors::{Body, ByteStream, EntityTag, FaultKind, ObjectKey, ObjectMeta};
use tempfile::TempDir;

use crate::contract::{broken, content, get, put, put_with, stuck};
use crate::local::{LAYOUTS, open};

fn drafts(root: &Path) -> Vec<String> {
    let Ok(drafts) = fs::read_dir(root.join("photos/.mortar-drafts")) else {
        return Vec::new();
    };
    drafts.map(|draft| draft.unwrap().file_name().into_string().unwrap()).collect()
}

/// Descriptors of this process that lead below `root`.
fn open_files(root: &Path) -> usize {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    targets.filter(|target| target.starts_with(root)).count()
}

/// How many threads of this process wait for the lock of a file, as the kernel tells.
fn waiting_for_locks() -> usize {
    let process = format!(" {} ", std::process::id());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().filter(|line| line.contains("-> FLOCK") && line.contains(&process)).count()
}

/// Waits until `done` holds, letting the blocking pool finish what it has begun.
async fn eventually(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it never came true");
}

#[tokio::test]
async fn a_failed_write_leaves_no_draft() {
    for layout in LAYOUTS {
        let root = TempDir::new().unwrap();
        let store = open(root.path(), layout).await;
        put(&store, "whole", content(5)).await.unwrap();
        assert_eq!(put(&store, "a", broken(&content(600_000))).await, Err(FaultKind::Upstream));
        assert_eq!(put(&store, "whole/below", content(5)).await, Err(FaultKind::Invalid));
        assert_eq!(drafts(root.path()), Vec::<String>::new());
        assert_eq!(open_files(root.path()), 0);
    }
}

#[tokio::test]
async fn a_dropped_write_leaves_the_old_object_and_no_draft() {
    for layout in LAYOUTS {
        let root = TempDir::new().unwrap();
        let store = open(root.path(), layout).await;
        put(&store, "a", content(5)).await.unwrap();
        let key = ObjectKey::new("a");
        tokio::select! {
            _ = store.put(&key, ObjectMeta::default(), stuck(&content(600_000)), &PutCondition::None) => panic!("the body never ends"),
            () = eventually(|| !drafts(root.path()).is_empty()) => {}
        }
        eventually(|| drafts(root.path()).is_empty() && open_files(root.path()) == 0).await;
        assert_eq!(get(&store, "a").await.unwrap(), content(5));
    }
}

/// Held by another process, the lock of the container keeps the last step of a change waiting. Whoever gave it up meanwhile
/// was told that it failed, so it must not happen later.
#[tokio::test]
async fn a_change_that_was_given_up_does_not_happen_later() {
    let conditions = [PutCondition::None, PutCondition::IfMatch(EntityTag::new("old"))];
    for condition in conditions {
        let root = TempDir::new().unwrap();
        let store = open(root.path(), Layout::Sidecar).await;
        let old = ObjectMeta { etag: Some(EntityTag::new("old")), ..ObjectMeta::default() };
        put_with(&store, "a", old, content(5)).await.unwrap();
        let key = ObjectKey::new("a");
        let held = File::open(root.path().join("photos")).unwrap();
        held.lock().unwrap();
        let mut write = store.put(&key, ObjectMeta::default(), Body::Bytes(content(9)), &condition);
        let mut removal = store.delete(&key);
        assert!(futures::poll!(&mut write).is_pending() && futures::poll!(&mut removal).is_pending());
        tokio::select! {
            _ = &mut write => panic!("it needs the lock"),
            _ = &mut removal => panic!("it needs the lock"),
            () = eventually(|| waiting_for_locks() >= 2) => {}
        }
        drop((write, removal));
        held.unlock().unwrap();
        eventually(|| drafts(root.path()).is_empty() && open_files(root.path()) == 1).await;
        assert_eq!(get(&store, "a").await.unwrap(), content(5));
    }
}

#[tokio::test]
async fn drafts_cannot_be_reached_by_a_key() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Plain).await;
    put(&store, "a", content(5)).await.unwrap();
    fs::write(root.path().join("photos/.mortar-drafts/x"), "x").unwrap();
    assert_eq!(get(&store, ".mortar-drafts/x").await, Err(FaultKind::NotFound));
    assert_eq!(put(&store, ".mortar-drafts/x", content(5)).await, Err(FaultKind::Invalid));
    assert_eq!(put(&store, ".mortar-drafts", content(5)).await, Err(FaultKind::Invalid));
}

#[tokio::test]
async fn opening_clears_away_the_drafts_of_writers_that_are_gone() {
    let root = TempDir::new().unwrap();
    let place = root.path().join("photos/.mortar-drafts");
    fs::create_dir_all(&place).unwrap();
    let in_use = File::create(place.join("in-use")).unwrap();
    in_use.lock().unwrap();
    fs::write(place.join("left-over"), "x").unwrap();

    // Somebody is making a draft, and may have made that one.
    let making = File::open(&place).unwrap();
    making.lock_shared().unwrap();
    open(root.path(), Layout::Plain).await;
    assert_eq!(drafts(root.path()).len(), 2);
    making.unlock().unwrap();
    open(root.path(), Layout::Plain).await;
    assert_eq!(drafts(root.path()), ["in-use"]);
}

#[tokio::test]
async fn dropping_a_half_read_body_closes_the_file() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Sidecar).await;
    put(&store, "a", content(2_000_000)).await.unwrap();
    let fetched = store.fetch(&ObjectKey::new("a"), None).await.unwrap();
    let Body::Stream(stream) = fetched.body else {
        panic!("a large object is streamed");
    };
    let mut chunks = stream.into_chunks();
    let first = chunks.next().await.unwrap().unwrap();
    assert_eq!(first, content(2_000_000)[..first.len()]);
    assert!(first.len() <= 256 * 1024);
    assert_eq!(open_files(root.path()), 1);
    drop(chunks);
    eventually(|| open_files(root.path()) == 0).await;
}

#[tokio::test]
async fn an_object_cut_short_while_it_is_read_is_a_fault() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Plain).await;
    put(&store, "a", content(2_000_000)).await.unwrap();
    let fetched = store.fetch(&ObjectKey::new("a"), None).await.unwrap();
    File::options().write(true).open(root.path().join("photos/a")).unwrap().set_len(1_000_000).unwrap();
    assert_eq!(fetched.body.collect(u64::MAX).await.unwrap_err().kind(), FaultKind::Upstream);
}

#[tokio::test]
async fn a_body_of_tiny_chunks_is_gathered_and_whole() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Sidecar).await;
    let whole = content(300_000);
    let chunks: Vec<_> = whole.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    put(&store, "a", Body::Stream(ByteStream::new(None, stream::iter(chunks)))).await.unwrap();
    assert_eq!(get(&store, "a").await.unwrap(), whole);
}

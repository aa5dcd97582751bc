//! Directories come and go with the objects in them.

use std::fs;
use std::path::Path;

use futures::future::join_all;
use mortar::adapters::Layout;
use mortar_actors::storage::{PutCondition, Store};
use mortar_actors::{Body, EntityTag, FaultKind, ObjectKey, ObjectMeta};
use tempfile::TempDir;

use crate::contract::{content, delete, get, put};
use crate::local::{LAYOUTS, open};

/// Every directory below the container but the one for drafts.
fn directories(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut unread = vec![root.join("photos")];
    while let Some(directory) = unread.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() && entry.file_name() != ".mortar-drafts" {
                unread.push(entry.path());
                found.push(entry.path().strip_prefix(root.join("photos")).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[tokio::test]
async fn a_thousand_uploads_and_deletes_leave_no_directory() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Plain).await;
    for batch in 0..20 {
        let keys: Vec<_> = (0..50).map(|number| format!(".mortar/uploads/{batch}-{number}/part")).collect();
        join_all(keys.iter().map(|key| put(&store, key, content(1))))
            .await
            .into_iter()
            .for_each(|put| drop(put.unwrap()));
        assert_eq!(directories(root.path()).len(), 52);
        join_all(keys.iter().map(|key| delete(&store, key))).await.into_iter().for_each(Result::unwrap);
        assert_eq!(directories(root.path()), Vec::<String>::new());
    }
    assert!(root.path().join("photos").is_dir(), "the container itself stays");
}

#[tokio::test]
async fn a_directory_stays_as_long_as_there_is_something_in_it() {
    for layout in LAYOUTS {
        let root = TempDir::new().unwrap();
        let store = open(root.path(), layout).await;
        for key in ["a/b/c/one", "a/b/two"] {
            put(&store, key, content(1)).await.unwrap();
        }
        delete(&store, "a/b/c/one").await.unwrap();
        assert_eq!(directories(root.path()), ["a", "a/b"]);
        assert_eq!(get(&store, "a/b/two").await.unwrap(), content(1));
        delete(&store, "a/b/none").await.unwrap();
        assert_eq!(directories(root.path()), ["a", "a/b"]);
        delete(&store, "a/b/two").await.unwrap();
        assert_eq!(directories(root.path()), Vec::<String>::new());
        put(&store, "a", content(1)).await.expect("the name is free again");
    }
}

/// A removal that was cut off between the object and its directory is made up for by the next one.
#[tokio::test]
async fn removing_what_is_not_there_removes_the_empty_directory() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Plain).await;
    fs::create_dir_all(root.path().join("photos/a/b")).unwrap();
    delete(&store, "a/b/c").await.unwrap();
    assert_eq!(directories(root.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_write_that_does_not_happen_makes_no_directory() {
    let root = TempDir::new().unwrap();
    let store = open(root.path(), Layout::Sidecar).await;
    let expected = PutCondition::IfMatch(EntityTag::new("x"));
    let body = Body::Bytes(content(1));
    let written = store.put(&ObjectKey::new("a/b/c"), ObjectMeta::default(), body, &expected).await;
    assert_eq!(written.unwrap_err().kind(), FaultKind::NotFound);
    assert_eq!(directories(root.path()), Vec::<String>::new());
}

/// Eight tasks, on two openings of the directory as two processes have them, put and remove objects of the same directory,
/// each of its own: no write fails because its directory was just removed, none is lost, and nothing is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_directory_that_is_removed_costs_nobody_a_write() {
    let root = TempDir::new().unwrap();
    let stores = [open(root.path(), Layout::Plain).await, open(root.path(), Layout::Plain).await];
    let tasks = (0..8).map(|task| {
        let store = stores[task % 2].clone();
        tokio::spawn(async move {
            let condition = if task < 4 { PutCondition::None } else { PutCondition::IfAbsent };
            let key = ObjectKey::new(format!("deep/in/there/{task}"));
            for round in 0..50 {
                let written = content(round + 1);
                let body = Body::Bytes(written.clone());
                store.put(&key, ObjectMeta::default(), body, &condition).await.unwrap();
                assert_eq!(get(&store, key.as_str()).await.unwrap(), written);
                store.delete(&key).await.unwrap();
            }
        })
    });
    join_all(tasks).await.into_iter().for_each(Result::unwrap);
    assert_eq!(directories(root.path()), Vec::<String>::new());
}

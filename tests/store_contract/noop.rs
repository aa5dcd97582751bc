//! The store that holds nothing.

use mortar::adapters::NoopStore;
use mortar_actors::storage::Store;
use mortar_actors::{FaultKind, ObjectKey};

use crate::contract::{broken, content, delete, get, put, streamed};

#[tokio::test]
async fn writes_succeed_and_vanish() {
    let store = NoopStore;
    assert_eq!(put(&store, "a", streamed(&content(1000), 10)).await.unwrap().length, Some(1000));
    assert_eq!(get(&store, "a").await, Err(FaultKind::NotFound));
    assert!(store.stat(&ObjectKey::new("a")).await.unwrap_err().is_not_found());
    assert_eq!(delete(&store, "a").await, Ok(()));
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_broken_write_fails_all_the_same() {
    assert_eq!(put(&NoopStore, "a", broken(&content(10))).await, Err(FaultKind::Upstream));
}

//! Clients of stores are bounded, closed when they are not used, and built anew when they are stale.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::harness::{Mortar, drawn_jpeg, wait_for};
use crate::reading::Reading;
use crate::store::{Manner, Store, bucket};

/// Lets stores on this machine be reached, and keeps connections to them.
const KEEPING: &str = "[origins]\nallow_networks = [\"127.0.0.0/8\"]\nidle_connections_per_host = 4\n";

fn buckets(store: &Store, count: usize) -> String {
    (0..count).map(|number| bucket(&format!("b{number}"), &store.address, "")).collect()
}

fn open_clients(mortar: &Mortar) -> usize {
    let detail = mortar.detail("storage");
    detail["clients"].as_array().unwrap().iter().filter(|client| client["open"] == true).count()
}

/// 1,000 storages are asked one after the other, each of which keeps its connection open: at most eight clients are alive,
/// and at most their connections, whatever was asked before; memory is that of eight clients. A map without a bound would
/// hold 1,000 of each.
///
/// Red when nothing is evicted: `LruCache::unbounded()` in `Storage::new` (`actors/src/storage/actor.rs`).
#[test]
fn fault_01_a_thousand_storages_have_eight_clients() {
    const STORAGES: usize = 1_000;
    let store = Store::of(drawn_jpeg(20, 10));
    let more = format!("{KEEPING}[actors.storage]\nclients = 8\n{}", buckets(&store, STORAGES + 100));
    let mortar = Mortar::with("", &more);
    let ask = |number: usize| {
        assert_eq!(mortar.get(&format!("/b{number}/a.jpg")).status, 200);
        assert!(open_clients(&mortar) <= 8);
    };
    (0..100).for_each(ask);
    store.wait_until_open(8);
    let before = Reading::at_rest(&mortar);
    (100..STORAGES + 100).for_each(ask);
    store.wait_until_open(8);
    before.comes_back(&mortar, 8 << 20);
    let storage = mortar.detail("storage");
    assert_eq!(storage["evicted"], STORAGES + 100 - 8);
}

/// A client that nobody asks any more is closed after its time, together with its connections.
///
/// Red when the tick does not look for idle clients: without `close_idle` in `Storage::tick`
/// (`actors/src/storage/actor.rs`).
#[test]
fn fault_01_a_client_that_nobody_uses_is_closed_after_its_time() {
    let store = Store::of(drawn_jpeg(20, 10));
    let times = "[actors.storage]\nclient_idle_timeout = \"1s\"\nhealth_interval = \"1s\"\n";
    let mortar = Mortar::with("", &format!("{KEEPING}{times}{}", buckets(&store, 1)));
    assert_eq!(mortar.get("/b0/a.jpg").status, 200);
    assert!(store.open() > 0, "the connection is kept for the next request");
    wait_for("the client to be closed", || (mortar.detail("storage")["idle_closed"] == 1).then_some(()));
    store.wait_until_open(0);
    assert_eq!(open_clients(&mortar), 0);
    assert_eq!(mortar.get("/b0/b.jpg").status, 200, "and built anew when it is needed");
}

/// A client whose store no longer answers is closed by its health check, and built anew once the store is well.
///
/// Red when a client that fails its check is kept: without `self.close()` in `Client::check`
/// (`actors/src/storage/client.rs`).
#[test]
fn fault_01_a_stale_client_is_closed_and_built_anew() {
    let (well, picture) = (Arc::new(AtomicBool::new(true)), Arc::new(drawn_jpeg(20, 10)));
    let answers = Arc::clone(&well);
    let store = Store::start(move |_, _| match answers.load(SeqCst) {
        true => Manner::Gives(Arc::clone(&picture)),
        false => Manner::HangsUp,
    });
    let times = "[actors.storage]\nhealth_interval = \"1s\"\n";
    let mortar = Mortar::with("", &format!("{KEEPING}{times}{}", buckets(&store, 1)));
    assert_eq!(mortar.get("/b0/a.jpg").status, 200);
    well.store(false, SeqCst);
    wait_for("the client to be closed", || (mortar.detail("storage")["unhealthy_closed"] == 1).then_some(()));
    store.wait_until_open(0);
    well.store(true, SeqCst);
    wait_for("the client to be well again", || (mortar.internal("/ready").status == 200).then_some(()));
    assert_eq!(mortar.get("/b0/b.jpg").status, 200);
    assert_eq!(mortar.detail("storage")["opened"], 2);
}

/// When a client makes room for another, the sockets to its store are closed although they were kept for reuse.
///
/// Red when a client outlives its eviction: `std::mem::forget(Arc::clone(&client))` where it is made in `Storage::client`
/// (`actors/src/storage/actor.rs`).
#[test]
fn fault_19_an_evicted_client_leaves_no_socket_to_its_store() {
    let (one, other) = (Store::of(drawn_jpeg(20, 10)), Store::of(drawn_jpeg(20, 10)));
    let buckets = bucket("one", &one.address, "") + &bucket("other", &other.address, "");
    let mortar = Mortar::with("", &format!("{KEEPING}[actors.storage]\nclients = 1\n{buckets}"));
    for _ in 0..10 {
        assert_eq!(mortar.get("/one/a.jpg").status, 200);
        assert!(one.open() > 0);
        other.wait_until_open(0);
        assert_eq!(mortar.get("/other/a.jpg").status, 200);
        assert!(other.open() > 0);
        one.wait_until_open(0);
    }
    assert_eq!(mortar.detail("storage")["evicted"], 19);
}

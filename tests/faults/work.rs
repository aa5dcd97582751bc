//! Work that nobody asked for is not done.

use crate::harness::{Mortar, drawn_jpeg};
use crate::store::{REACHABLE, Store, bucket};

/// A cold render costs its store one request, and so does a cold original, whole or in part: size, type and body come
/// with one answer. A hit costs none.
///
/// Red when a size is asked for first: `store.stat(..)` before `store.fetch(..)` in `Serve<Fetch>`
/// (`actors/src/storage/actor.rs`).
#[test]
fn fault_13_a_store_is_asked_once_for_what_is_cold_and_never_for_a_hit() {
    let store = Store::of(drawn_jpeg(200, 160));
    let mortar = Mortar::with("", &format!("{REACHABLE}{}", bucket("remote", &store.address, "")));
    let mut expected = 0;
    for (path, range, cost) in [
        ("/remote/a.jpg?width=50", None, 1),
        ("/remote/a.jpg?width=50", None, 0),
        ("/remote/b.jpg", None, 1),
        ("/remote/c.jpg", Some("bytes=0-9"), 1),
        ("/remote/d.jpg?width=60&format=webp", None, 1),
    ] {
        let headers: Vec<_> = range.map(|range| ("range", range)).into_iter().collect();
        assert!(mortar.get_with(path, &headers).status < 300);
        expected += cost;
        assert_eq!(store.requests(), expected, "{path}");
    }
}

/// 1,000 requests make no explanation; one with the debug header makes one.
///
/// Red when the explanation is made for every answer: without `contains_key(DEBUG)` in `Pictures::result`
/// (`src/http/pictures.rs`).
#[test]
fn fault_15_nothing_is_explained_that_nobody_asked_for() {
    let mortar = Mortar::with("debug_header = true", "");
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    let explained = |mortar: &Mortar| mortar.stats()["http"]["explanations"].as_u64().unwrap();
    for number in 0..1_000 {
        assert_eq!(mortar.get(&format!("/media/a.jpg?width={}", 10 + number % 20)).status, 200);
    }
    assert_eq!(explained(&mortar), 0);
    let asked = mortar.get_with("/media/a.jpg?width=10", &[("x-mortar-debug", "1")]);
    assert_ne!(asked.header("x-mortar-explanation"), "");
    assert_eq!(explained(&mortar), 1);
}

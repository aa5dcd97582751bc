//! Where an answer comes from: memory, the store of results, a render; and how long and how much each keeps.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use harness::{Mortar, drawn_jpeg, files_below};

const DEBUG: (&str, &str) = ("x-mortar-debug", "1");

fn start(more: &str) -> Mortar {
    let mortar = Mortar::with("debug_header = true", more);
    mortar.put("a.jpg", &drawn_jpeg(400, 320));
    mortar
}

/// The tier that answered.
fn tier(mortar: &Mortar, path: &str) -> String {
    let answer = mortar.get_with(path, &[DEBUG]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let explanation: serde_json::Value = serde_json::from_str(answer.header("x-mortar-explanation")).unwrap();
    explanation["tier"].as_str().unwrap().to_owned()
}

#[test]
fn a_result_is_rendered_once_then_remembered_then_read_back() {
    let mortar = start("");
    let path = "/media/a.jpg?width=100";
    assert_eq!((tier(&mortar, path), tier(&mortar, path)), ("rendered".to_owned(), "memory".to_owned()));
    mortar.wait_until_stored(1);
    let mortar = mortar.restart();
    assert_eq!((tier(&mortar, path), tier(&mortar, path)), ("result-store".to_owned(), "memory".to_owned()));
}

/// It begins as a picture, and its store knows of no other length.
#[test]
fn a_stored_result_that_was_cut_short_is_made_again() {
    let mortar = start("");
    let path = "/media/a.jpg?width=100";
    let whole = mortar.get(path).body;
    mortar.wait_until_stored(1);
    let stored = files_below(&mortar.results());
    let file = std::fs::File::options().write(true).open(&stored[0]).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100).unwrap();
    let mortar = mortar.restart();
    assert_eq!((tier(&mortar, path), mortar.get(path).body), ("rendered".to_owned(), whole));
    mortar.wait_until_stored(1);
    let mortar = mortar.restart();
    assert_eq!(tier(&mortar, path), "result-store", "a whole one has taken its place");
}

#[test]
fn what_is_larger_than_an_entry_may_be_is_stored_and_not_remembered() {
    let mortar = start("[server.cache]\nmax_cache_item_size = \"1KiB\"\n");
    let path = "/media/a.jpg?width=300";
    assert_eq!(tier(&mortar, path), "rendered");
    mortar.wait_until_stored(1);
    assert_eq!(tier(&mortar, path), "result-store");
    assert_eq!(mortar.detail("cache")["entries"], 0);
}

#[test]
fn memory_never_holds_more_than_it_may() {
    let mortar = start("[server.cache]\ncache_size = \"64KiB\"\nmax_cache_item_size = \"32KiB\"\n");
    for width in 100..140 {
        assert_eq!(mortar.get(&format!("/media/a.jpg?width={width}&quality=90")).status, 200);
        let cache = mortar.detail("cache");
        assert!(cache["bytes"].as_u64().unwrap() <= 64 << 10, "{cache}");
    }
    let cache = mortar.detail("cache");
    assert!(cache["evictions"].as_u64().unwrap() > 0 && cache["entries"].as_u64().unwrap() > 0, "{cache}");
}

#[test]
fn an_entry_is_forgotten_after_its_time() {
    let mortar = start("[server.cache]\ndefault_time_to_live = \"1s\"\n");
    let path = "/media/a.jpg?width=100";
    assert_eq!(tier(&mortar, path), "rendered");
    mortar.wait_until_stored(1);
    harness::wait_for("the entry to be forgotten", || (tier(&mortar, path) == "result-store").then_some(()));
}

#[test]
fn a_stored_result_that_is_no_picture_is_made_again() {
    let mortar = start("");
    let path = "/media/a.jpg?width=100";
    let body = mortar.get(path).body;
    mortar.wait_until_stored(1);
    let stored = files_below(&mortar.results());
    std::fs::write(&stored[0], "torn by a crash of the disk").unwrap();
    let mortar = mortar.restart();
    let again = mortar.get_with(path, &[DEBUG]);
    assert_eq!((again.status, again.body == body), (200, true), "{}", again.text());
}

#[test]
fn without_a_place_for_results_they_are_still_answered() {
    let bucket = r#"
[buckets.bare.storages.basic]
kind = "local"
root_path = "{root}"
[buckets.bare.storages.transform]
kind = "noop"
[buckets.bare.transform]
kind = "query"
"#;
    let mortar = start(bucket);
    mortar.put("../bare/a.jpg", &drawn_jpeg(400, 320));
    let path = "/bare/a.jpg?width=100";
    assert_eq!((tier(&mortar, path), tier(&mortar, path)), ("rendered".to_owned(), "memory".to_owned()));
    let mortar = mortar.restart();
    assert_eq!(tier(&mortar, path), "rendered");
}

#[test]
fn a_render_that_is_not_finished_leaves_no_file() {
    let mortar = start("");
    mortar.put("broken.jpg", &drawn_jpeg(400, 320)[..3_000]);
    assert_eq!(mortar.get("/media/broken.jpg?width=100").status, 422);
    mortar.wait_until_idle();
    assert!(files_below(&mortar.root().join("results")).is_empty());
}

#[test]
fn a_result_larger_than_any_original_may_be_is_served_again() {
    let mortar = start("[limits]\nsource_bytes = \"64KiB\"\n");
    let path = "/media/a.jpg?width=800&format=png";
    let first = mortar.get(path);
    assert!(first.status == 200 && first.body.len() > 64 << 10, "{} bytes", first.body.len());
    mortar.wait_until_stored(1);
    let mortar = mortar.restart();
    let again = mortar.get(path);
    assert_eq!((again.status, again.body == first.body), (200, true));
}

#[test]
fn a_result_whose_key_is_longer_than_a_file_name_may_be_is_answered_all_the_same() {
    let mortar = start("");
    // The key of a result has the whole path of its original in one segment.
    let (first, second) = ("a".repeat(200), "b".repeat(200));
    mortar.put(&format!("{first}/{second}/c.jpg"), &drawn_jpeg(400, 320));
    let path = format!("/media/{first}/{second}/c.jpg?width=100");
    for _ in 0..2 {
        assert_eq!(mortar.get(&path).picture().dimensions(), (100, 80));
    }
    let mortar = mortar.restart();
    assert_eq!(mortar.get(&path).picture().dimensions(), (100, 80));
}

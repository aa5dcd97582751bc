//! The whole program on S3: originals and results live there, and it outlives a store that is killed or frozen.

#![expect(clippy::unwrap_used, reason = "everything here is a test")]

mod harness;
#[path = "harness/s3.rs"]
mod s3_server;

use std::fs;

use harness::wire::Wire;
use harness::{Mortar, drawn_jpeg, send, wait_for};
use s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};

/// A body that does not fit into the buffers on its way.
const LARGE: usize = 64 << 20;

/// Mortar with a bucket `remote` whose storages are on the server.
fn mortar_on(server: &S3Server, more_of_server: &str) -> Mortar {
    let storage = format!(
        "kind = \"s3\"\nendpoint = \"{}\"\nbucket = \"photos\"\naccess_key = \"{ACCESS_KEY}\"\n\
         secret_access_key = \"{SECRET_KEY}\"\n",
        server.url()
    );
    let more = format!(
        "[s3]\nfirst_byte_timeout = \"500ms\"\nidle_body_timeout = \"500ms\"\nbackoff = \"10ms\"\n\
         [actors.storage]\nbreaker_cooldown = \"50ms\"\n\
         [buckets.remote.storages.basic]\n{storage}\
         [buckets.remote.storages.transform]\npath_prefix = \"results\"\n{storage}\
         [buckets.remote.transform]\nkind = \"query\"\nparent_bucket = \"remote\"\n"
    );
    Mortar::with(more_of_server, &more)
}

fn descriptors(mortar: &Mortar) -> usize {
    fs::read_dir(format!("/proc/{}/fd", mortar.id())).unwrap().count()
}

/// Waits until an object is answered whole again.
fn wait_until_served(mortar: &Mortar, path: &str, length: usize) {
    wait_for("the store to be reached again", || {
        let answer = mortar.get(path);
        (answer.status == 200).then(|| assert_eq!(answer.body.len(), length))
    });
}

/// Waits until nothing is under way and as many descriptors are open as before, idle connections aside.
fn wait_until_all_came_back(mortar: &Mortar, before: usize) {
    mortar.wait_until_idle();
    wait_for("descriptors to come back", || (descriptors(mortar) <= before + 8).then_some(()));
}

#[test]
fn originals_and_results_live_in_s3() {
    let server = S3Server::on_disk();
    fs::write(server.bucket().join("photo.jpg"), drawn_jpeg(800, 640)).unwrap();
    let mortar = mortar_on(&server, "");
    let first = mortar.get("/remote/photo.jpg?width=100");
    assert_eq!(first.picture().dimensions(), (100, 80));
    mortar.wait_until_stored(1);
    let part = mortar.get_with("/remote/photo.jpg", &[("range", "bytes=2-5")]);
    assert_eq!((part.status, part.body.len()), (206, 4));
    assert_eq!(mortar.get("/remote/none.jpg").status, 404);
    assert_eq!(mortar.get("/remote/none.jpg?width=100").status, 404);

    let mortar = mortar.restart();
    fs::remove_file(server.bucket().join("photo.jpg")).unwrap();
    let again = mortar.get("/remote/photo.jpg?width=100");
    assert_eq!((again.status, again.body), (200, first.body), "read from the storage of results");
}

#[test]
fn a_store_that_is_killed_in_mid_download_ends_it_and_serves_again_when_it_is_back() {
    let mut server = S3Server::on_disk();
    fs::write(server.bucket().join("large"), vec![7; LARGE]).unwrap();
    let mortar = mortar_on(&server, "");
    wait_until_served(&mortar, "/remote/large", LARGE);
    let before = descriptors(&mortar);
    for _ in 0..3 {
        let mut wire = Wire::asking(&mortar, "/remote/large");
        assert!(wire.head().contains(&format!("content-length: {LARGE}\r\n")));
        wire.read(1 << 20);
        server.kill();
        assert!(wire.rest().len() < LARGE - (1 << 20), "what was cut short does not look whole");
        assert_eq!(mortar.get("/remote/large").status, 502);
        server.start_again();
        wait_until_served(&mortar, "/remote/large", LARGE);
    }
    wait_until_all_came_back(&mortar, before);
}

#[test]
fn a_store_that_freezes_holds_no_client_past_its_limits() {
    let server = S3Server::on_disk();
    fs::write(server.bucket().join("large"), vec![7; LARGE]).unwrap();
    let mortar = mortar_on(&server, "");
    wait_until_served(&mortar, "/remote/large", LARGE);
    let before = descriptors(&mortar);
    let mut wire = Wire::asking(&mortar, "/remote/large");
    wire.head();
    wire.read(1 << 20);
    server.freeze();
    assert!(wire.rest().len() < LARGE - (1 << 20));
    let frozen = mortar.get("/remote/large");
    assert!(matches!(frozen.status, 502 | 504), "{}", frozen.text());
    server.thaw();
    wait_until_served(&mortar, "/remote/large", LARGE);
    wait_until_all_came_back(&mortar, before);
}

#[test]
fn a_large_object_is_left_to_its_storage_where_that_is_wanted() {
    let server = S3Server::on_disk();
    fs::write(server.bucket().join("large file+ü"), vec![7; 20_000]).unwrap();
    fs::write(server.bucket().join("small"), vec![7; 10_000]).unwrap();
    let mortar = mortar_on(&server, "max_file_size = 10000");
    assert_eq!(mortar.get("/remote/small").body.len(), 10_000);
    let sent_on = mortar.get("/remote/large%20file+%C3%BC");
    assert_eq!((sent_on.status, sent_on.header("cache-control")), (307, "no-store"));
    let read = send("GET", sent_on.header("location"), &[]);
    assert_eq!((read.status, read.body.len()), (200, 20_000));
    mortar.put("large", &[7; 20_000]);
    assert_eq!(mortar.get("/media/large").body.len(), 20_000, "a directory gives no URLs, so it is passed through");
}

//! Disks that are full, read-only, limited, or not there: each has its status, nothing of a failed write stays, and what
//! is there goes on being served.

mod harness;

use std::fs;

use harness::signer::{KEYS, Signer, WRITER};
use harness::{Answer, Mortar, drawn_jpeg, everything_below, wait_for};

/// The status of a write that the disk refuses.
const REFUSED: u16 = 507;

fn upload(mortar: &Mortar, key: &str, body: &[u8]) -> Answer {
    Signer::new(WRITER).send(mortar, "PUT", &format!("/media/{key}"), body)
}

fn remove(mortar: &Mortar, key: &str) -> u16 {
    Signer::new(WRITER).send(mortar, "DELETE", &format!("/media/{key}"), b"").status
}

fn content(kibibytes: usize, seed: u8) -> Vec<u8> {
    (0..kibibytes << 10).map(|byte| (byte % 251) as u8 ^ seed).collect()
}

/// Nothing failed for a reason of Mortar's own, and it takes requests.
fn assert_sound(mortar: &Mortar) {
    mortar.wait_until_idle();
    assert_eq!(mortar.stats()["http"]["panics"], 0);
    assert_eq!(mortar.internal("/health").status, 200);
}

/// A disk of 1 MiB has no room for the next object: its writer is told, the object that it would have replaced stays, and
/// as soon as there is room again the same write succeeds.
#[test]
fn an_upload_to_a_full_disk_is_refused_and_leaves_what_was_there() {
    let Some(mortar) = Mortar::on_a_disk_of("1m", KEYS) else { return };
    let (old, new) = (content(300, 0), content(300, 1));
    assert_eq!(upload(&mortar, "kept", &old).status, 200);
    assert_eq!(upload(&mortar, "filler", &content(500, 2)).status, 200);
    // Often enough for a store that fails to be given a rest.
    for _ in 0..10 {
        let refused = upload(&mortar, "kept", &new);
        assert_eq!((refused.status, refused.s3_code().as_str()), (REFUSED, "InternalError"));
        assert_eq!(upload(&mortar, "other", &content(500, 3)).status, REFUSED);
    }
    assert_sound(&mortar);
    assert!(mortar.get("/media/kept").body == old);
    assert_eq!(mortar.get("/media/other").status, 404);
    assert_eq!(everything_below(&mortar.inside("media")).len(), 2, "no draft stays");
    assert_eq!(remove(&mortar, "filler"), 204, "a full disk can be emptied");
    assert_eq!(upload(&mortar, "kept", &new).status, 200);
    assert!(mortar.get("/media/kept").body == new);
}

/// Under `ulimit -f`, the same by size: 512 KiB for each file, in the blocks of 512 bytes that a shell counts in. The signal
/// that comes with it ends nobody.
#[test]
fn an_upload_above_the_largest_file_is_refused_and_ends_nothing() {
    let mortar = Mortar::by_way_of("ulimit -f 1024 && exec \"$@\"", &[], KEYS);
    let old = content(500, 0);
    assert_eq!(upload(&mortar, "kept", &old).status, 200);
    for body in [content(1_100, 1), content(4_000, 2)] {
        let refused = upload(&mortar, "kept", &body);
        assert_eq!((refused.status, refused.s3_code().as_str()), (400, "EntityTooLarge"));
    }
    assert_sound(&mortar);
    assert!(mortar.get("/media/kept").body == old);
    assert_eq!(everything_below(&mortar.originals()).len(), 1, "no draft stays");
}

/// A disk that turned read-only, as one does after an error: what is there is served, small ones of it are made, writes and
/// removals are refused. Made writable again, everything goes on.
#[test]
fn a_read_only_disk_is_read() {
    let Some(mortar) = Mortar::on_a_disk_of("4m", KEYS) else { return };
    let picture = drawn_jpeg(60, 40);
    assert_eq!(upload(&mortar, "dir/a.jpg", &picture).status, 200);
    mortar.remount("ro");
    assert!(mortar.get("/media/dir/a.jpg").body == picture);
    assert_eq!(mortar.get("/media/dir/a.jpg?width=30").picture().width(), 30);
    wait_for("the result not to be stored", || (mortar.detail("store-back")["failed"] == 1).then_some(()));
    for _ in 0..10 {
        assert_eq!(upload(&mortar, "dir/a.jpg", &content(1, 1)).status, REFUSED);
    }
    assert_eq!(upload(&mortar, "new/b.jpg", &picture).status, REFUSED);
    assert_eq!(remove(&mortar, "dir/a.jpg"), REFUSED);
    assert_sound(&mortar);
    assert!(mortar.get("/media/dir/a.jpg").body == picture);
    assert_eq!(mortar.get("/media/dir/a.jpg?width=20").picture().width(), 20);
    mortar.remount("rw");
    assert_eq!(upload(&mortar, "new/b.jpg", &picture).status, 200);
    assert_eq!(mortar.get("/media/new/b.jpg?width=30").picture().width(), 30);
    assert_eq!(remove(&mortar, "dir/a.jpg"), 204);
}

/// A directory that is not there is an outage and not an empty bucket: else a disk that is not mounted would be taken for
/// the removal of everything. When it is back it is used, without a restart.
#[test]
fn a_directory_that_vanishes_is_an_outage_until_it_is_back() {
    let mortar = Mortar::with("", &format!("[actors.storage]\nbreaker_cooldown = \"50ms\"\n{KEYS}"));
    let picture = drawn_jpeg(60, 40);
    assert_eq!(upload(&mortar, "a.jpg", &picture).status, 200);
    assert_eq!(mortar.get("/media/a.jpg?width=30").status, 200);
    mortar.wait_until_stored(1);

    let (results, away) = (mortar.root().join("results"), mortar.root().join("unmounted"));
    fs::rename(&results, &away).unwrap();
    assert_eq!(mortar.get("/media/a.jpg?width=30").status, 200, "from memory");
    assert_eq!(mortar.get("/media/a.jpg").body, picture);
    let refused = mortar.get("/media/a.jpg?width=31");
    assert_eq!((refused.status, refused.error_code().as_str()), (502, "upstream_error"));
    assert_eq!(mortar.actor("transform")["handled"], 1, "an outage does not become a storm of renders");
    // A file where the directory was is none either.
    fs::write(&results, "in the way").unwrap();
    assert_eq!(mortar.get("/media/a.jpg?width=32").status, 502);
    fs::remove_file(&results).unwrap();
    fs::rename(&away, &results).unwrap();
    wait_for("the results to be found again", || (mortar.get("/media/a.jpg?width=33").status == 200).then_some(()));

    let root = mortar.root();
    let away = root.with_file_name("unmounted");
    fs::rename(&root, &away).unwrap();
    assert_eq!(mortar.get("/media/a.jpg").status, 502);
    assert_eq!(upload(&mortar, "b.jpg", &picture).status, 502);
    assert!(!root.exists(), "nothing is written into the place where a disk belongs");
    fs::rename(&away, &root).unwrap();
    wait_for("the originals to be found again", || (mortar.get("/media/a.jpg").status == 200).then_some(()));
    wait_for("uploads to be taken again", || (upload(&mortar, "b.jpg", &picture).status == 200).then_some(()));
    assert_sound(&mortar);
}

/// A single bucket whose directory is a file fails by itself; the others go on.
#[test]
fn a_file_in_the_place_of_a_bucket_is_an_outage_of_that_bucket() {
    let more = "[buckets.broken.storages.basic]\nkind = \"local\"\nroot_path = \"{root}/broken\"\n";
    let mortar = Mortar::with("", more);
    fs::write(mortar.root().join("broken/broken"), "in the way").unwrap();
    let refused = mortar.get("/broken/a.jpg");
    assert_eq!((refused.status, refused.error_code().as_str()), (502, "upstream_error"));
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    assert_eq!(mortar.get("/media/a.jpg?width=30").status, 200);
    assert_sound(&mortar);
}

//! The store behind a bucket is killed, or frozen, in the middle of what a client does through Mortar's S3 interface, and
//! comes back: no client hangs, no object is half visible, and everything that was held is free again.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;
#[path = "harness/s3.rs"]
mod s3_server;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use harness::signer::{Signed, Signer, UNSIGNED, WRITER, s3_bucket};
use harness::wire::Wire;
use harness::{Answer, Mortar, wait_for};
use s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};

/// A body of several parts at the store.
const UPLOADED: usize = 24 << 20;
/// A body that does not fit into the buffers on its way.
const DOWNLOADED: usize = 64 << 20;

/// What happens to a store.
#[derive(Clone, Copy)]
enum Outage {
    /// It ends at once, and is started again.
    Killed,
    /// It keeps its connections and does nothing, and goes on.
    Frozen,
}

impl Outage {
    fn begin(self, server: &mut S3Server) {
        match self {
            Self::Killed => server.kill(),
            Self::Frozen => server.freeze(),
        }
    }

    fn end(self, server: &mut S3Server) {
        match self {
            Self::Killed => server.start_again(),
            Self::Frozen => server.thaw(),
        }
    }
}

/// Mortar with a bucket `remote` on the server.
fn mortar_on(server: &S3Server, limits: &str) -> Mortar {
    let bucket = s3_bucket(&server.url(), (ACCESS_KEY, SECRET_KEY));
    Mortar::with("", &format!("{limits}\n[actors.storage]\nbreaker_cooldown = \"50ms\"\n{bucket}"))
}

/// Limits within which a store that is gone is noticed.
const SHORT: &str =
    "[s3]\npart_size = \"5MiB\"\nfirst_byte_timeout = \"1s\"\nidle_body_timeout = \"1s\"\nbackoff = \"10ms\"";

fn signed(mortar: &Mortar, method: &str, path: &str) -> Signed {
    Signer::new(WRITER).sign(mortar, method, path, &[], UNSIGNED)
}

fn send(mortar: &Mortar, method: &str, path: &str, body: &[u8]) -> Answer {
    signed(mortar, method, path).send(mortar, body)
}

/// Sends until the answer is a good one: a store that is back is not always reached at once.
fn send_until_well(mortar: &Mortar, method: &str, path: &str, body: &[u8]) -> Answer {
    wait_for("the store to be reached again", || {
        let answer = send(mortar, method, path, body);
        assert!(answer.status < 400 || answer.status >= 500, "{}", answer.text());
        (answer.status < 300).then_some(answer)
    })
}

fn body(length: usize, first: u8) -> Vec<u8> {
    (0..length).map(|at| first.wrapping_add((at >> 10) as u8)).collect()
}

fn descriptors(mortar: &Mortar) -> usize {
    fs::read_dir(format!("/proc/{}/fd", mortar.id())).unwrap().count()
}

/// Waits until nothing is under way and as many descriptors are open as before, idle connections aside.
fn wait_until_all_came_back(mortar: &Mortar, before: usize) {
    mortar.wait_until_idle();
    wait_for("descriptors to come back", || (descriptors(mortar) <= before + 8).then_some(()));
}

/// Begins to send a body, and has the outage come when parts of it have reached the store. Returns when the client has its
/// answer, or has lost its connection, and the store is still away.
fn upload_into(outage: Outage, server: &mut S3Server, mortar: &Mortar, path: &str, body: &[u8]) {
    let mut wire = Wire::to(mortar);
    wire.send(&signed(mortar, "PUT", path).head(&format!("content-length: {}\r\n", body.len())));
    let (first, second) = body.split_at(body.len() / 2);
    wire.send_bytes(first);
    wait_for("parts at the store", || (parts_at(server) > 0).then_some(()));
    outage.begin(server);
    wire.offer(second);
    let status = wire.status();
    assert!(matches!(status, 0 | 502..=504), "{status}");
}

/// Parts of uploads that lie at the store.
fn parts_at(server: &S3Server) -> usize {
    let files = fs::read_dir(server.bucket().parent().unwrap()).unwrap();
    files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains(".part-")).count()
}

fn an_object_stays_whole(outage: Outage) {
    let mut server = S3Server::on_disk();
    let mortar = mortar_on(&server, SHORT);
    let (old, new) = (body(100_000, 1), body(UPLOADED, 2));
    send_until_well(&mortar, "PUT", "/remote/a", &old);
    let before = descriptors(&mortar);
    upload_into(outage, &mut server, &mortar, "/remote/a", &new);
    outage.end(&mut server);
    assert!(send_until_well(&mortar, "GET", "/remote/a", b"").body == old, "the old object stays, whole");
    wait_until_all_came_back(&mortar, before);
    send_until_well(&mortar, "PUT", "/remote/a", &new);
    assert!(send_until_well(&mortar, "GET", "/remote/a", b"").body == new, "the new one takes its place, whole");
    wait_until_all_came_back(&mortar, before);
}

#[test]
fn a_store_that_is_killed_in_mid_upload_keeps_the_old_object_until_the_new_one_is_whole() {
    an_object_stays_whole(Outage::Killed);
}

#[test]
fn a_store_that_freezes_in_mid_upload_keeps_the_old_object_until_the_new_one_is_whole() {
    an_object_stays_whole(Outage::Frozen);
}

#[test]
fn a_write_whose_answer_is_lost_leaves_the_old_object_or_the_new_one() {
    let mut server = S3Server::on_disk();
    let mortar = mortar_on(&server, SHORT);
    let (old, new) = (body(1 << 20, 1), body(1 << 20, 2));
    send_until_well(&mortar, "PUT", "/remote/a", &old);
    let before = descriptors(&mortar);
    for ends in [false, true] {
        server.freeze();
        let status = send(&mortar, "PUT", "/remote/a", &new).status;
        assert!(matches!(status, 502..=504), "{status}");
        if ends {
            server.kill();
            server.start_again();
        } else {
            server.thaw();
        }
        let stored = send_until_well(&mortar, "GET", "/remote/a", b"").body;
        assert!(stored == old || stored == new, "{} bytes", stored.len());
        send_until_well(&mortar, "PUT", "/remote/a", &old);
        wait_until_all_came_back(&mortar, before);
    }
}

/// Begins an upload in parts of `a`, and gives its id.
fn begin_upload(mortar: &Mortar) -> String {
    let begun = send_until_well(mortar, "POST", "/remote/a?uploads", b"").text();
    begun.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

fn a_part_is_there_or_not(outage: Outage) {
    let mut server = S3Server::on_disk();
    let mortar = mortar_on(&server, SHORT);
    let id = begin_upload(&mortar);
    let part = |number: u32| format!("/remote/a?partNumber={number}&uploadId={id}");
    let (first, second) = (body(5 << 20, 3), body(UPLOADED, 4));
    send_until_well(&mortar, "PUT", &part(1), &first);
    let before = descriptors(&mortar);
    upload_into(outage, &mut server, &mortar, &part(2), &second);
    outage.end(&mut server);
    let whole = format!("/remote/a?uploadId={id}");
    let sizes = || {
        let listed = send_until_well(&mortar, "GET", &whole, b"").text();
        let sizes = listed.split("<Size>").skip(1).map(|rest| rest.split('<').next().unwrap().parse().unwrap());
        sizes.collect::<Vec<usize>>()
    };
    assert_eq!(sizes(), [first.len()]);
    wait_until_all_came_back(&mortar, before);
    send_until_well(&mortar, "PUT", &part(2), &second);
    assert_eq!(sizes(), [first.len(), second.len()]);
    assert_eq!(send(&mortar, "GET", "/remote/a", b"").status, 404, "no part of it is an object");
    assert_eq!(send(&mortar, "DELETE", &whole, b"").status, 204);
    wait_until_all_came_back(&mortar, before);
}

#[test]
fn a_store_that_is_killed_while_a_part_is_sent_costs_that_part_only() {
    a_part_is_there_or_not(Outage::Killed);
}

#[test]
fn a_store_that_freezes_while_a_part_is_sent_costs_that_part_only() {
    a_part_is_there_or_not(Outage::Frozen);
}

#[test]
fn an_upload_whose_completion_was_lost_is_completed_when_it_is_asked_for_again() {
    let server = S3Server::start();
    let mortar = mortar_on(&server, SHORT);
    let id = begin_upload(&mortar);
    let object = body(5 << 20, 7);
    let part = send_until_well(&mortar, "PUT", &format!("/remote/a?partNumber=1&uploadId={id}"), &object);
    let etag = part.header("etag");
    let named = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
    let named = format!("<CompleteMultipartUpload>{named}</CompleteMultipartUpload>");
    let whole = format!("/remote/a?uploadId={id}");
    server.freeze();
    let lost = send(&mortar, "POST", &whole, named.as_bytes());
    assert!(matches!(lost.status, 502..=504), "{}", lost.text());
    server.thaw();
    for _ in 0..2 {
        send_until_well(&mortar, "POST", &whole, named.as_bytes());
        assert!(send_until_well(&mortar, "GET", "/remote/a", b"").body == object);
    }
    mortar.wait_until_idle();
}

fn a_download_ends(outage: Outage) {
    let mut server = S3Server::on_disk();
    let object = body(DOWNLOADED, 5);
    fs::write(server.bucket().join("large"), &object).unwrap();
    let mortar = mortar_on(&server, SHORT);
    assert!(send_until_well(&mortar, "GET", "/remote/large", b"").body == object);
    let before = descriptors(&mortar);
    let mut wire = Wire::to(&mortar);
    wire.send(&signed(&mortar, "GET", "/remote/large").head(""));
    assert!(wire.head().contains(&format!("content-length: {DOWNLOADED}\r\n")));
    wire.read(1 << 20);
    outage.begin(&mut server);
    assert!(wire.rest().len() < DOWNLOADED - (1 << 20), "what was cut short does not look whole");
    let refused = send(&mortar, "GET", "/remote/large", b"");
    assert!(matches!(refused.status, 502..=504) && !refused.s3_code().is_empty(), "{}", refused.text());
    outage.end(&mut server);
    assert!(send_until_well(&mortar, "GET", "/remote/large", b"").body == object);
    wait_until_all_came_back(&mortar, before);
}

#[test]
fn a_store_that_is_killed_in_mid_download_cuts_it_short() {
    a_download_ends(Outage::Killed);
}

#[test]
fn a_store_that_freezes_in_mid_download_cuts_it_short() {
    a_download_ends(Outage::Frozen);
}

#[test]
fn a_store_that_is_slow_costs_no_client_its_upload() {
    const IDLE: Duration = Duration::from_secs(2);
    let mut server = S3Server::on_disk();
    let limits = "[s3_api]\nupload_idle_timeout = \"2s\"\nupload_min_rate = \"64KiB\"\n[s3]\npart_size = \"5MiB\"";
    let mortar = mortar_on(&server, limits);
    let object = body(UPLOADED, 6);
    let put = signed(&mortar, "PUT", "/remote/a");
    Outage::Frozen.begin(&mut server);
    let frozen = Instant::now();
    let answer = thread::scope(|scope| {
        let uploading = scope.spawn(|| put.send(&mortar, &object));
        wait_for("the store to be late", || (frozen.elapsed() > IDLE * 2).then_some(()));
        Outage::Frozen.end(&mut server);
        uploading.join().unwrap()
    });
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(send(&mortar, "GET", "/remote/a", b"").body == object);
}

//! Whoever leaves, and whatever fails: nothing stays behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::crowd::Storm;
use crate::harness::wire::Wire;
use crate::harness::{Mortar, drawn_jpeg, wait_for};
use crate::reading::Reading;
use crate::store::{Manner, NO_REST, REACHABLE, Store, bucket};

/// What memory may grow by over all the requests of a storm: less than two KiB for each of ten thousand.
const GROWTH: u64 = 16 << 20;

fn start(store: &Store, server: &str) -> Mortar {
    Mortar::with(server, &format!("{REACHABLE}{NO_REST}{}", bucket("remote", &store.address, "")))
}

/// Runs a short storm, so that all that is made only once is made, and then a long one.
fn rages(mortar: &Mortar, store: &Store, requests: u64, path: impl Fn(u64) -> String + Sync) {
    let seed = rand::random_range(0..u64::MAX / 1_000);
    eprintln!("seed {seed}");
    let storm = Storm { mortar, requests: requests / 5, seed, stay: Duration::from_millis(40) };
    storm.rage(|number| path(number + requests));
    let before = Reading::at_rest(mortar);
    let told = Storm { requests, seed: seed + 1, ..storm }.rage(&path);
    assert!(told.left > requests / 2 && told.answered > requests / 50, "{told:?}");
    before.comes_back(mortar, GROWTH);
    store.wait_until_open(0);
}

/// 10,000 requests for as many pictures, of which nine in ten are aborted at a random moment of the first 40 ms: before
/// the original is asked for, while the store hesitates, while it is rendered, in the middle of the answer; half of them
/// by FIN and half by RST. Tasks, permits, flights, connections and descriptors come back to where they were, and memory
/// to within 16 MiB of it.
///
/// Red when a flight whose last waiter has left goes on waiting for somebody to take its result: `std::future::pending`
/// at the end of `Flight::run` where nobody waits (`actors/src/lock/flight.rs`).
#[test]
fn fault_02_requests_that_are_aborted_at_any_moment_leave_nothing_behind() {
    let picture = Arc::new(drawn_jpeg(60, 40));
    let store = Store::start(move |_, path| match path.len() % 3 {
        0 => Manner::Gives(Arc::clone(&picture)),
        1 => Manner::Hesitates(Duration::from_millis(5), Arc::clone(&picture)),
        _ => Manner::Hesitates(Duration::from_millis(20), Arc::clone(&picture)),
    });
    let mortar = start(&store, "");
    rages(&mortar, &store, 10_000, |number| {
        format!("/remote/{}{number}.jpg?width=20", "x".repeat(number as usize % 3))
    });
    let (lock, renders) = (mortar.detail("lock"), mortar.actor("transform"));
    assert!(lock["abandoned"].as_u64().unwrap() > 100, "{lock}");
    assert!(renders["handled"].as_u64().unwrap() > 100, "{renders}");
    assert_eq!(mortar.get("/remote/after.jpg?width=20").status, 200);
}

/// 200 requests to a store that never answers, with a second each: all are told 504 in time, and neither they nor the
/// connections to the store stay. What is fetched only for them ends with them, long before the minute that a flight may
/// take.
///
/// Red when the last seat of a flight that is given up does not raise its stop flag (`Seat::drop` in
/// `actors/src/lock/flight.rs`): the fetches wait on for answers that nobody will hear.
#[test]
fn fault_03_a_store_that_hangs_is_a_504_in_time_and_keeps_nothing() {
    let store = Store::start(|_, _| Manner::Hangs);
    let origins = format!("{REACHABLE}first_byte_timeout = \"10m\"\n{NO_REST}");
    let more = format!("{origins}{}", bucket("remote", &store.address, ""));
    let mortar = Mortar::with("request_timeout = \"1s\"\nlock_timeout = \"10m\"", &more);
    assert_eq!(mortar.get("/remote/first.jpg?width=20").status, 504);
    let before = Reading::at_rest(&mortar);
    let asked: Vec<_> =
        (0..200).map(|number| mortar.get_meanwhile(&format!("/remote/{number}.jpg?width=20"))).collect();
    for answer in asked.into_iter().map(|request| request.join().unwrap()) {
        assert_eq!((answer.status, answer.error_code().as_str()), (504, "timed_out"));
    }
    before.comes_back(&mortar, GROWTH);
    store.wait_until_open(0);
}

/// 1,000 times a store fails after its headers or in the middle of the body, for a render and for an original that is
/// streamed as it is. No connection, descriptor, permit or byte stays.
///
/// Red when a failed body is kept instead of dropped: `std::mem::forget` of the chunks where `Body::collect` returns an
/// error (`actors/src/vocab/body.rs`).
#[test]
fn fault_11_a_store_that_fails_half_way_a_thousand_times_leaves_nothing_open() {
    let picture = Arc::new(drawn_jpeg(400, 300));
    let length = picture.len();
    let store = Store::start(move |_, path| match path.len() % 3 {
        0 => Manner::BreaksOff(Arc::clone(&picture)),
        1 => Manner::BreaksOffAfterTheHead,
        _ => Manner::HangsUp,
    });
    let mortar = start(&store, "");
    let fail = |number: usize| {
        let name = "x".repeat(1 + number % 3);
        let render = mortar.get(&format!("/remote/{name}?width={}", 1 + number));
        assert_eq!((render.status, render.error_code().as_str()), (502, "upstream_error"));
        let streamed = Wire::asking(&mortar, &format!("/remote/{name}")).rest();
        assert!(streamed.len() < length, "nothing that breaks off looks whole");
    };
    (0..20).for_each(fail);
    let before = Reading::at_rest(&mortar);
    (0..500).for_each(fail);
    before.comes_back(&mortar, GROWTH);
    store.wait_until_open(0);
}

/// 5,000 requests all of which fail, one way or another (no such object, an error of the store, garbage instead of a
/// picture, a body that breaks off), nine in ten aborted on the way. An error is a value on the same path as an answer, so
/// it leaves as little behind.
///
/// Red when a flight that failed waits until its error is taken: `outcome.closed().await` for errors at the end of
/// `Flight::run` (`actors/src/lock/flight.rs`) while the roll still holds one more receiver.
#[test]
fn fault_14_errors_that_nobody_waits_for_leave_nothing_behind() {
    let garbage = Arc::new(b"no picture ".repeat(100));
    let store = Store::start(move |_, path| match path.len() % 4 {
        0 => Manner::Says(404),
        1 => Manner::Says(500),
        2 => Manner::Gives(Arc::clone(&garbage)),
        _ => Manner::BreaksOff(Arc::clone(&garbage)),
    });
    let mortar = start(&store, "");
    rages(&mortar, &store, 5_000, |number| format!("/remote/{}{number}?width=20", "x".repeat(number as usize % 4)));
    let by_class = mortar.stats()["http"]["by_class"].to_string();
    assert!(by_class.contains("[\"2xx\",0]"), "{by_class}");
}

/// A placeholder that takes much longer to render than a request may take: the request is answered at its deadline with
/// the placeholder as it is; the render stops at its next stage, its permits come back, and the next request is served.
///
/// Red when neither a placeholder nor its flight has a deadline: `Deadline::within(10 minutes)` for both asks of
/// `render_placeholder` (`src/pipeline/placeholder.rs`) and for the flight in `Lock::join` (`actors/src/lock/actor.rs`).
#[test]
fn fault_20_a_placeholder_that_takes_too_long_ends_at_the_deadline() {
    let store = Store::start(|_, _| Manner::Says(500));
    let large = drawn_jpeg(3_000, 2_000);
    let more = format!("{REACHABLE}{NO_REST}[encoding]\navif_speed = 5\n{}", bucket("remote", &store.address, ""));
    let server = "request_timeout = \"1s\"\nlock_timeout = \"1s\"\nplaceholder = \"large.jpg\"";
    let mortar = Mortar::with_files(&[("large.jpg", &large)], server, &more);
    let begun = Instant::now();
    let shown = mortar.get("/remote/a.jpg?width=2500&format=avif");
    assert_eq!((shown.status, shown.header("content-type")), (502, "image/jpeg"));
    assert!(shown.body == large && begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    wait_for("the flight to end", || (mortar.detail("lock")["live"] == 0).then_some(()));
    Reading::at_rest(&mortar);
    assert_eq!(mortar.get("/remote/a.jpg?width=20").status, 502);
}

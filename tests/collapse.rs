//! Identical requests at the same time are one: one read, one render, one answer for all who still wait.

mod harness;

use harness::origin::{ALLOW_LOOPBACK, Origin};
use harness::wire::Wire;
use harness::{Mortar, drawn_jpeg, wait_for};

const CROWD: usize = 100;
const PATH: &str = "/remote/a.jpg?width=50";

/// An origin that answers when it is told to, and a mortar before it.
fn start(server: &str) -> (Origin, Mortar) {
    let origin = Origin::of(&drawn_jpeg(200, 160));
    origin.hold();
    let mortar = Mortar::with(server, &format!("{ALLOW_LOOPBACK}{}", origin.bucket()));
    (origin, mortar)
}

fn wait_for_waiters(mortar: &Mortar, count: usize) {
    wait_for(&format!("{count} waiters"), || (mortar.detail("lock")["waiters"] == count).then_some(()));
}

#[test]
fn a_crowd_costs_one_read_and_one_render() {
    let (origin, mortar) = start("");
    let crowd: Vec<_> = (0..CROWD).map(|_| mortar.get_meanwhile(PATH)).collect();
    wait_for_waiters(&mortar, CROWD);
    assert_eq!(mortar.detail("lock")["live"], 1);
    origin.release();
    let answers: Vec<_> = crowd.into_iter().map(|request| request.join().unwrap()).collect();
    assert_eq!(answers[0].picture().dimensions(), (50, 40));
    for answer in &answers {
        assert_eq!((answer.status, answer.header("etag")), (200, answers[0].header("etag")));
        assert!(answer.body == answers[0].body);
    }
    assert_eq!(origin.asked().len(), 1);
    assert_eq!(mortar.actor("transform")["handled"], 1);
    let lock = mortar.detail("lock");
    assert_eq!((&lock["started"], &lock["joined"]), (&1.into(), &(CROWD - 1).into()));
    mortar.wait_until_idle();
    assert_eq!(mortar.detail("lock")["live"], 0);
}

#[test]
fn the_first_may_leave_and_the_others_are_answered() {
    let (origin, mortar) = start("");
    let first = Wire::asking(&mortar, PATH);
    origin.wait_for_requests(1);
    let others: Vec<_> = (0..10).map(|_| mortar.get_meanwhile(PATH)).collect();
    wait_for_waiters(&mortar, 11);
    drop(first);
    wait_for_waiters(&mortar, 10);
    origin.release();
    for other in others {
        assert_eq!(other.join().unwrap().status, 200);
    }
    assert_eq!(origin.asked().len(), 1, "the flight went on");
    assert_eq!(mortar.actor("transform")["handled"], 1);
}

#[test]
fn when_all_leave_the_flight_ends_and_nothing_is_rendered() {
    let (origin, mortar) = start("");
    let crowd: Vec<_> = (0..10).map(|_| Wire::asking(&mortar, PATH)).collect();
    wait_for_waiters(&mortar, 10);
    origin.wait_for_requests(1);
    drop(crowd);
    // The origin still holds its answer back: the flight ends because nobody waits, not because it has finished.
    wait_for("the flight to end", || (mortar.detail("lock")["live"] == 0).then_some(()));
    mortar.wait_until_idle();
    assert_eq!(mortar.detail("lock")["abandoned"], 1);
    assert_eq!(mortar.actor("transform")["handled"], 0);
    origin.release();
    assert_eq!(mortar.get(PATH).status, 200, "the next request begins anew");
    assert_eq!(origin.asked().len(), 2);
}

#[test]
fn a_client_that_leaves_politely_is_noticed_too() {
    let (origin, mortar) = start("");
    let mut leaving = Wire::asking(&mortar, PATH);
    origin.wait_for_requests(1);
    leaving.finish();
    wait_for("the flight to end", || (mortar.detail("lock")["live"] == 0).then_some(()));
    origin.release();
    mortar.wait_until_idle();
}

#[test]
fn a_failure_is_told_to_all_and_is_not_remembered() {
    let origin = Origin::start({
        let picture = drawn_jpeg(200, 160);
        let failed = std::sync::atomic::AtomicBool::new(false);
        move |_| {
            let first = !failed.swap(true, std::sync::atomic::Ordering::Relaxed);
            if first { harness::origin::Reply::status(500) } else { harness::origin::Reply::ok(&picture) }
        }
    });
    origin.hold();
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{}", origin.bucket()));
    let crowd: Vec<_> = (0..20).map(|_| mortar.get_meanwhile(PATH)).collect();
    wait_for_waiters(&mortar, 20);
    origin.release();
    for request in crowd {
        assert_eq!(request.join().unwrap().status, 502);
    }
    assert_eq!(origin.asked().len(), 1, "an error is no reason for a storm");
    assert_eq!(mortar.get(PATH).status, 200);
}

#[test]
fn different_pictures_do_not_wait_for_each_other() {
    let (origin, mortar) = start("");
    mortar.put("a.jpg", &drawn_jpeg(200, 160));
    let held = mortar.get_meanwhile(PATH);
    origin.wait_for_requests(1);
    assert_eq!(mortar.get("/media/a.jpg?width=50").status, 200);
    assert_eq!(mortar.get("/media/a.jpg?width=60").status, 200);
    origin.release();
    assert_eq!(held.join().unwrap().status, 200);
}

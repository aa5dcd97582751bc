//! Several instances answer as one: what one of them makes is made once for all.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod harness;

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use harness::origin::{Origin, Reply};
use harness::redis::{PATIENT, Redis, section, shared};
use harness::{Answer, Mortar, drawn_jpeg, wait_for};

const PATH: &str = "/remote/a.jpg?width=50";
/// Nothing here is about how long an origin may take.
const ORIGINS: &str = r#"
[origins]
allow_networks = ["127.0.0.0/8"]
first_byte_timeout = "60s"
idle_body_timeout = "60s"
"#;

/// So many instances with the same sections, before the same origin and on the same store of results.
fn instances(number: usize, origin: &Origin, sections: &str) -> Vec<Mortar> {
    let sections = format!("{sections}{ORIGINS}{}", origin.bucket());
    let mut instances = vec![Mortar::with("lock_timeout = \"60s\"", &sections)];
    while instances.len() < number {
        instances.push(instances[0].beside());
    }
    instances
}

fn crowd(instances: &[Mortar], of_each: usize) -> Vec<JoinHandle<Answer>> {
    (0..of_each).flat_map(|_| instances.iter().map(|instance| instance.get_meanwhile(PATH))).collect()
}

fn wait_for_waiters(instances: &[Mortar], count: u64) {
    let waiters = |instance: &Mortar| instance.detail("lock")["waiters"].as_u64().unwrap();
    wait_for("all to wait", || (instances.iter().map(waiters).sum::<u64>() == count).then_some(()));
}

fn renders(instances: &[Mortar]) -> u64 {
    instances.iter().map(|instance| instance.actor("transform")["handled"].as_u64().unwrap()).sum()
}

/// Everyone gets the same picture.
fn all_are_answered(crowd: Vec<JoinHandle<Answer>>) {
    let answers: Vec<_> = crowd.into_iter().map(|request| request.join().unwrap()).collect();
    assert_eq!(answers[0].picture().dimensions(), (50, 40));
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.body == answers[0].body && answer.header("etag") == answers[0].header("etag"));
    }
}

#[test]
fn a_thousand_requests_to_four_instances_cost_one_read_and_one_render() {
    let (redis, origin) = (Redis::start(), Origin::of(&drawn_jpeg(200, 160)));
    let instances = instances(4, &origin, &shared(&redis.address()));
    origin.hold();
    let crowd = crowd(&instances, 250);
    wait_for_waiters(&instances, 1_000);
    origin.release();
    all_are_answered(crowd);
    assert_eq!((origin.asked().len(), renders(&instances)), (1, 1));
    let elsewhere = |instance: &Mortar| instance.detail("lock")["answered_elsewhere"].as_u64().unwrap();
    assert_eq!(instances.iter().map(elsewhere).sum::<u64>(), 3);
    for instance in &instances {
        instance.wait_until_idle();
        let listening = &instance.stats()["redis"][1]["announcements"];
        assert_eq!((&listening["channels"], &listening["waiters"]), (&0.into(), &0.into()));
    }
    wait_for("the lease to be given back", || redis.keys("mortar:lease:*").is_empty().then_some(()));
}

#[test]
fn a_crowd_that_comes_while_the_result_is_being_handed_over_costs_no_second_render() {
    let (redis, origin) = (Redis::start(), Origin::of(&drawn_jpeg(200, 160)));
    let instances = instances(4, &origin, &shared(&redis.address()));
    all_are_answered(crowd(&instances, 50));
    assert_eq!((origin.asked().len(), renders(&instances)), (1, 1));
}

#[test]
fn without_a_shared_cache_results_are_handed_over_by_their_store() {
    let (redis, origin) = (Redis::start(), Origin::of(&drawn_jpeg(200, 160)));
    let sections = format!("{}{PATIENT}", section("lock", &redis.address()));
    let instances = instances(3, &origin, &sections);
    origin.hold();
    let crowd = crowd(&instances, 10);
    wait_for_waiters(&instances, 30);
    origin.release();
    all_are_answered(crowd);
    assert_eq!((origin.asked().len(), renders(&instances)), (1, 1));
}

#[test]
fn when_the_one_at_work_is_killed_another_takes_over_and_everyone_is_answered() {
    let (redis, origin) = (Redis::start(), Origin::of(&drawn_jpeg(200, 160)));
    let mut instances = instances(4, &origin, &shared(&redis.address()));
    origin.hold();
    let winner = instances.remove(0);
    let lost = std::thread::spawn({
        let address = winner.address.clone();
        move || ureq::get(format!("{address}{PATH}")).call().map(drop)
    });
    origin.wait_for_requests(1);
    let crowd = crowd(&instances, 100);
    wait_for_waiters(&instances, 300);
    winner.signal("KILL");
    assert!(lost.join().unwrap().is_err(), "its own client has to ask again");
    origin.wait_for_requests(2);
    origin.release();
    all_are_answered(crowd);
    assert_eq!((origin.asked().len(), renders(&instances)), (2, 1));
}

#[test]
fn one_that_was_frozen_past_its_lease_does_not_overwrite_what_was_made_of_a_newer_original() {
    const LEASE: &str = "[actors.cache]\nshared_timeout = \"5s\"\n[actors.lock]\nlease_timeout = \"900ms\"\nlease_time_to_live = \"3s\"\n";
    let redis = Redis::start();
    let original = Arc::new(Mutex::new(drawn_jpeg(200, 160)));
    let served = Arc::clone(&original);
    let origin = Origin::start(move |_| Reply::ok(&served.lock().unwrap()));
    let sections = ["cache", "lock"].map(|name| section(name, &redis.address())).concat() + LEASE;
    let mut instances = instances(2, &origin, &sections);
    let (fresh, frozen) = (instances.pop().unwrap(), instances.pop().unwrap());

    origin.hold();
    let late = frozen.get_meanwhile(PATH);
    origin.wait_for_requests(1);
    frozen.signal("STOP");
    *original.lock().unwrap() = drawn_jpeg(400, 160);
    let newer = fresh.get_meanwhile(PATH);
    origin.wait_for_requests(2);
    origin.release();
    assert_eq!(newer.join().unwrap().picture().dimensions(), (50, 20));
    fresh.wait_until_stored(1);
    wait_for("the result in Redis", || (!redis.keys("mortar:result:*").is_empty()).then_some(()));

    frozen.signal("CONT");
    assert_eq!(late.join().unwrap().picture().dimensions(), (50, 40), "its own client gets what it read");
    frozen.wait_until_idle();
    assert_eq!(frozen.detail("lock")["leases_lost"], 1);
    assert_eq!(frozen.detail("store-back")["written"], 0);
    for instance in [&frozen, &fresh, &fresh.beside()] {
        assert_eq!(instance.get(PATH).picture().dimensions(), (50, 20));
    }
    redis.run::<()>(&["FLUSHALL"]);
    assert_eq!(fresh.beside().get(PATH).picture().dimensions(), (50, 20), "the store of results");
}

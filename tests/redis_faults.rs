//! Redis fails in every way that it can, and requests are answered all the same.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod harness;

use std::time::Duration;

use harness::origin::{ALLOW_LOOPBACK, Origin};
use harness::redis::{Mood, Proxy, Redis, section, shared};
use harness::{Mortar, drawn_jpeg, wait_for};

/// Short limits, so that what fails is noticed and tried again soon.
const QUICK: &str = r#"
[actors.cache]
shared_timeout = "100ms"
breaker_cooldown = "300ms"
[actors.lock]
lease_timeout = "100ms"
breaker_cooldown = "300ms"
"#;

fn start(address: &str) -> Mortar {
    start_with(&(["cache", "lock"].map(|name| section(name, address)).concat() + QUICK))
}

fn start_with(sections: &str) -> Mortar {
    let mortar = Mortar::with("", sections);
    mortar.put("photo.jpg", &drawn_jpeg(200, 160));
    mortar
}

/// Asks for a size that nobody asked for before.
fn answers_anew(mortar: &Mortar, next: &mut u32) {
    *next += 1;
    let answer = mortar.get(&format!("/media/photo.jpg?width={next}"));
    assert_eq!(answer.picture().width(), *next);
}

fn resting(mortar: &Mortar) -> bool {
    mortar.detail("cache")["shared_resting"] == true && mortar.detail("lock")["lease_resting"] == true
}

fn rested(mortar: &Mortar) -> bool {
    mortar.detail("cache")["shared_resting"] == false && mortar.detail("lock")["lease_resting"] == false
}

/// Redis works; `fail` breaks it; requests are answered and it is left alone; `mend` mends it and it is used again.
fn is_survived(mortar: &Mortar, redis: &mut Redis, fail: impl FnOnce(&mut Redis), mend: impl FnOnce(&mut Redis)) {
    is_survived_from(&mut 10, mortar, redis, fail, mend);
}

/// The same with sizes from `width` on, which is left at the last one.
fn is_survived_from(
    width: &mut u32,
    mortar: &Mortar,
    redis: &mut Redis,
    fail: impl FnOnce(&mut Redis),
    mend: impl FnOnce(&mut Redis),
) {
    answers_anew(mortar, width);
    wait_for("the first result in Redis", || (!redis.keys("mortar:result:*").is_empty()).then_some(()));
    fail(redis);
    wait_for("Redis to be left alone", || {
        answers_anew(mortar, width);
        resting(mortar).then_some(())
    });
    assert!(mortar.internal("/ready").status == 200, "an instance without Redis is as good as ever");
    mend(redis);
    wait_for("Redis to be used again", || {
        answers_anew(mortar, width);
        rested(mortar).then_some(())
    });
    let kept = || redis.run::<u64>(&["DBSIZE"]);
    let before = kept();
    wait_for("results in Redis", || {
        answers_anew(mortar, width);
        (kept() > before).then_some(())
    });
}

#[test]
fn a_redis_that_is_frozen() {
    let mut redis = Redis::start();
    is_survived(&start(&redis.address()), &mut redis, |redis| redis.signal("STOP"), |redis| redis.signal("CONT"));
}

#[test]
fn a_redis_that_is_killed_and_comes_back_empty() {
    let mut redis = Redis::start();
    is_survived(&start(&redis.address()), &mut redis, Redis::kill, Redis::revive);
}

#[test]
fn a_redis_that_makes_its_clients_wait() {
    let mut redis = Redis::start();
    // It ends by itself: until then not even its end can be asked for.
    let pause = |redis: &mut Redis| redis.run::<()>(&["CLIENT", "PAUSE", "10000", "ALL"]);
    is_survived(&start(&redis.address()), &mut redis, pause, |_| {});
}

#[test]
fn a_connection_that_is_swallowed_cut_or_slow() {
    let mut redis = Redis::start();
    let proxy = Proxy::before(redis.port);
    let mortar = start(&proxy.address());
    let mut width = 10;
    for mood in [Mood::Swallows, Mood::Cuts, Mood::Delays(Duration::from_millis(500))] {
        is_survived_from(&mut width, &mortar, &mut redis, |_| proxy.turns(mood), |_| proxy.turns(Mood::Passes));
    }
}

#[test]
fn a_redis_that_is_not_there_at_the_start() {
    let mut redis = Redis::start();
    redis.kill();
    let mortar = start(&redis.address());
    let mut width = 10;
    for _ in 0..10 {
        answers_anew(&mortar, &mut width);
    }
    redis.revive();
    wait_for("results in Redis", || {
        answers_anew(&mortar, &mut width);
        (!redis.keys("mortar:result:*").is_empty()).then_some(())
    });
}

/// A Redis that answers "no" to writes lives: it is read on, and never left alone.
fn still_read_while(refuses: &[&str], again: &[&str]) {
    let redis = Redis::start();
    let mortar = start_with(&shared(&redis.address()));
    let mut width = 10;
    answers_anew(&mortar, &mut width);
    wait_for("the first result in Redis", || (!redis.keys("mortar:result:*").is_empty()).then_some(()));
    redis.run::<()>(refuses);
    for _ in 0..10 {
        answers_anew(&mortar, &mut width);
    }
    assert!(mortar.detail("lock")["lease_faults"].as_u64().unwrap() >= 10);
    let other = mortar.beside();
    assert_eq!(other.get("/media/photo.jpg?width=11").picture().width(), 11);
    assert_eq!((&other.detail("cache")["shared_hits"], &rested(&mortar)), (&1.into(), &true));
    redis.run::<()>(again);
    wait_for("more results in Redis", || {
        answers_anew(&mortar, &mut width);
        (redis.keys("mortar:result:*").len() > 1).then_some(())
    });
}

#[test]
fn a_redis_that_is_read_only() {
    still_read_while(&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]);
}

#[test]
fn a_redis_that_is_full() {
    still_read_while(&["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"]);
}

#[test]
fn a_lease_that_is_flushed_or_cut_off_costs_at_most_a_second_render() {
    for cut_off in [false, true] {
        let redis = Redis::start();
        let proxy = Proxy::before(redis.port);
        let origin = Origin::of(&drawn_jpeg(200, 160));
        let bucket = format!("{ALLOW_LOOPBACK}{}", origin.bucket());
        let winner = Mortar::with("", &format!("{}{bucket}", shared(&proxy.address())));
        let other = winner.beside();
        origin.hold();
        let first = winner.get_meanwhile("/remote/a.jpg?width=50");
        origin.wait_for_requests(1);
        if cut_off {
            proxy.turns(Mood::Cuts);
        } else {
            redis.run::<()>(&["FLUSHALL"]);
        }
        let second = other.get_meanwhile("/remote/a.jpg?width=50");
        origin.wait_for_requests(2);
        origin.release();
        let (first, second) = (first.join().unwrap(), second.join().unwrap());
        assert_eq!((first.status, second.status), (200, 200));
        assert!(first.body == second.body);
        assert_eq!(origin.asked().len(), 2);
    }
}

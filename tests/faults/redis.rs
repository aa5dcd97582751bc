//! What Redis is given, and that a slow Redis costs neither memory nor answers.

use std::ops::RangeInclusive;

use crate::harness::redis::{Redis, section, shared};
use crate::harness::{Mortar, drawn_jpeg, wait_for};
use crate::reading::Reading;

/// An entry in Redis is the picture and less than a hundred bytes, whichever its format.
///
/// Red when the frame is text: the body as hexadecimal digits in `frame::encode` (`src/adapters/redis/frame.rs`).
#[test]
fn fault_18_an_entry_in_redis_costs_its_bytes() {
    let redis = Redis::start();
    let mortar = Mortar::with("", &shared(&redis.address()));
    mortar.put("a.jpg", &drawn_jpeg(400, 300));
    for format in ["jpeg", "png", "webp", "avif"] {
        redis.run::<()>(&["FLUSHALL"]);
        let picture = mortar.get(&format!("/media/a.jpg?width=200&format={format}")).body;
        let key = wait_for("the result in Redis", || redis.keys("mortar:result:*").pop());
        let stored: usize = redis.run(&["STRLEN", &key]);
        assert!(stored >= picture.len() && stored < picture.len() + 100, "{format}: {stored} for {}", picture.len());
    }
}

/// Redis takes no writes for a while, while 300 pictures are made: all are answered, no more writes wait than may, and
/// what could not be handed over is dropped and counted. In the end neither results nor tasks are left.
///
/// Red when writes to the shared level are not bounded: `100_000 + settings.writes` for the gate "cache writes"
/// (`actors/src/cache/handle.rs`).
#[test]
fn fault_05_a_cache_that_takes_no_writes_costs_neither_memory_nor_answers() {
    const WRITES: u64 = 16;
    const CONNECTIONS: u64 = 20;
    let redis = Redis::start();
    let server = format!("{}connections = {CONNECTIONS}\n", section("cache", &redis.address()));
    let bounds = format!("[actors.cache]\nshared_operations = {WRITES}\nshared_timeout = \"5s\"\n");
    let mortar = Mortar::with("", &format!("{server}{bounds}"));
    mortar.put("a.jpg", &drawn_jpeg(400, 300));
    wave(&mortar, &redis, 1..=30, WRITES);
    let before = Reading::at_rest(&mortar);
    wave(&mortar, &redis, 31..=300, WRITES);
    assert!(mortar.detail("cache")["shared_dropped"].as_u64() > Some(0));
    // Connections are kept for later, each with its task; their number is bounded.
    let (descriptors, tasks) = (before.descriptors + CONNECTIONS, before.tasks + CONNECTIONS);
    Reading { descriptors, tasks, ..before }.comes_back(&mortar, 16 << 20);
}

/// Asks for pictures of these widths while Redis takes no writes.
fn wave(mortar: &Mortar, redis: &Redis, widths: RangeInclusive<u32>, most: u64) {
    redis.run::<()>(&["CLIENT", "PAUSE", "600000", "WRITE"]);
    let mut waited = 0;
    for width in widths {
        assert_eq!(mortar.get(&format!("/media/a.jpg?width={width}")).status, 200);
        let gates = mortar.actor("cache")["gates"].clone();
        let writes = gates.as_array().unwrap().iter().find(|gate| gate["name"] == "cache writes").unwrap();
        waited = waited.max(writes["held"].as_u64().unwrap());
    }
    assert!((2..=most).contains(&waited), "{waited} writes waited");
    redis.run::<()>(&["CLIENT", "UNPAUSE"]);
}

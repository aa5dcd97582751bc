//! What Redis is given, and that a Redis or a store that is slow costs neither memory nor answers.

use std::time::Duration;

use crate::harness::redis::{Mood, Proxy, Redis, section, shared};
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

/// Redis takes 5 s for every write while 600 pictures are made: all are answered at once, and what could not be handed
/// over in time is dropped and counted. Neither results nor tasks pile up.
///
/// Red when writes to the shared level are not bounded: `usize::MAX` for the gate "cache writes" and an hour for one
/// operation (`actors/src/cache/handle.rs`, `Guarded::ask` in `actors/src/cache/actor.rs`).
#[test]
fn fault_05_a_cache_that_writes_slowly_costs_neither_memory_nor_answers() {
    const OPERATIONS: u64 = 16;
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port);
    let bounds = format!("[actors.cache]\nshared_operations = {OPERATIONS}\nshared_timeout = \"10s\"\n");
    let mortar = Mortar::with("", &format!("{}{bounds}", section("cache", &proxy.address())));
    mortar.put("a.jpg", &drawn_jpeg(400, 300));
    assert_eq!(mortar.get("/media/a.jpg?width=399").status, 200);
    let before = Reading::at_rest(&mortar);
    proxy.turns(Mood::Delays(Duration::from_secs(5)));
    // Lookups are as slow, so that as many requests as may look things up wait for one; the others are not held up.
    let mut answered = 0;
    for width in 1..=300 {
        answered += usize::from(mortar.get(&format!("/media/a.jpg?width={width}")).status == 200);
    }
    assert_eq!(answered, 300);
    proxy.turns(Mood::Passes);
    before.comes_back(&mortar, 16 << 20);
}

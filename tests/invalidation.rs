//! What was derived from an original goes when the original is replaced: from memory, from Redis, from the store of
//! results, on every instance; and nothing that began before comes back.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod harness;
#[path = "harness/s3.rs"]
mod s3_server;

use std::sync::{Arc, Mutex};

use harness::origin::{ALLOW_LOOPBACK, Origin, Reply};
use harness::redis::{Mood, Proxy, Redis, shared};
use harness::signer::{KEYS, Signer, WRITER, s3_storage};
use harness::{Mortar, drawn_jpeg, files_below, wait_for};
use s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use serde_json::{Value, json};

/// Originals that are told from each other by the shape of what is made of them.
const OLD: (u32, u32) = (400, 320);
const NEW: (u32, u32) = (400, 160);
const DEBUG: (&str, &str) = ("x-mortar-debug", "1");
/// Nothing here is about how long an origin may take.
const ORIGINS: &str = r#"
[origins]
allow_networks = ["127.0.0.0/8"]
first_byte_timeout = "60s"
idle_body_timeout = "60s"
"#;

fn picture((width, height): (u32, u32)) -> Vec<u8> {
    drawn_jpeg(width, height)
}

fn dimensions(mortar: &Mortar, path: &str) -> (u32, u32) {
    mortar.get(path).picture().dimensions()
}

fn tier(mortar: &Mortar, path: &str) -> String {
    let answer = mortar.get_with(path, &[DEBUG]);
    let explanation: Value = serde_json::from_str(answer.header("x-mortar-explanation")).unwrap();
    explanation["tier"].as_str().unwrap().to_owned()
}

fn purge(mortar: &Mortar, order: &Value) -> Value {
    let answer = mortar.order("/purge", &order.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!((&told["failed"], &told["others_told"]), (&0.into(), &true.into()), "{told}");
    told["removed"].clone()
}

fn variants(mortar: &Mortar, bucket: &str, key: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = mortar.internal(&format!("/variants?bucket={bucket}&key={key}{after}"));
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        found.extend(page["variants"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
}

/// Everything that is stored, markers included.
fn stored(mortar: &Mortar) -> usize {
    let results = mortar.root().join("results");
    let buckets = std::fs::read_dir(&results).into_iter().flatten().map(|bucket| bucket.unwrap().path());
    buckets.map(|bucket| files_below(&bucket).len() + files_below(&bucket.join(".mortar/variants")).len()).sum()
}

/// An origin whose pictures can be replaced.
fn changing_origin() -> (Origin, Arc<Mutex<Vec<u8>>>) {
    let original = Arc::new(Mutex::new(picture(OLD)));
    let served = Arc::clone(&original);
    (Origin::start(move |_| Reply::ok(&served.lock().unwrap())), original)
}

#[test]
fn a_replaced_original_is_seen_in_every_tier_after_a_purge() {
    let mortar = Mortar::with("debug_header = true", "");
    mortar.put("dir/a.jpg", &picture(OLD));
    mortar.put("dir/b.jpg", &picture(OLD));
    let (small, query, nested) =
        ("/media/small/dir/a.jpg", "/media/dir/a.jpg?width=50", "/media/small/small/dir/a.jpg");
    for path in [small, query, nested, "/media/dir/b.jpg?width=50"] {
        assert_eq!(mortar.get(path).status, 200, "{path}");
    }
    mortar.wait_until_stored(4);
    mortar.put("dir/a.jpg", &picture(NEW));
    assert_eq!(dimensions(&mortar, query), (50, 40), "nobody was told yet");

    assert_eq!(purge(&mortar, &json!({"bucket": "media", "key": "dir/a.jpg"})), 3);
    assert_eq!(stored(&mortar), 2, "the other picture and its marker stay");
    assert_eq!(tier(&mortar, "/media/dir/b.jpg?width=50"), "memory");
    assert_eq!(mortar.detail("cache")["entries"], 1);
    for (path, expected) in [(small, (100, 40)), (query, (50, 20)), (nested, (100, 40))] {
        assert_eq!(dimensions(&mortar, path), expected, "{path}");
    }
    mortar.wait_until_stored(7);
    let mortar = mortar.restart();
    assert_eq!((tier(&mortar, query).as_str(), dimensions(&mortar, query)), ("result-store", (50, 20)));
}

#[test]
fn parts_of_a_bucket_and_whole_buckets_are_purged_whatever_their_originals_are() {
    let (origin, original) = changing_origin();
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{}", origin.bucket()));
    let paths = ["dir/a.jpg", "dir/sub/b.jpg", "direct.jpg", "c//d.jpg"].map(|key| format!("/remote/{key}?width=50"));
    let looks = |mortar: &Mortar| paths.each_ref().map(|path| dimensions(mortar, path).1);
    assert_eq!(looks(&mortar), [40; 4]);
    mortar.wait_until_stored(4);
    *original.lock().unwrap() = picture(NEW);
    assert_eq!(purge(&mortar, &json!({"bucket": "remote", "prefix": "nothing/"})), 0);
    assert_eq!(purge(&mortar, &json!({"bucket": "remote", "prefix": "dir/"})), 2);
    assert_eq!(looks(&mortar), [20, 20, 40, 40]);
    mortar.wait_until_stored(6);
    assert_eq!(purge(&mortar, &json!({"bucket": "remote", "all": true})), 4);
    assert_eq!(stored(&mortar), 0);
    assert_eq!(looks(&mortar), [20; 4]);
}

#[test]
fn results_of_other_buckets_go_with_their_original() {
    let thumbs = r#"
[buckets.thumbs.storages.basic]
kind = "local-meta"
root_path = "{root}"
[buckets.thumbs.storages.transform]
kind = "local-meta"
root_path = "{root}/results"
[buckets.thumbs.transform]
kind = "query"
parent_bucket = "media"
"#;
    let mortar = Mortar::with("", thumbs);
    mortar.put("a.jpg", &picture(OLD));
    let paths = ["/thumbs/a.jpg?width=50", "/media/a.jpg?width=50", "/thumbs/small/a.jpg?width=50"];
    for path in paths {
        assert_eq!(dimensions(&mortar, path), (50, 40), "{path}");
    }
    mortar.wait_until_stored(3);
    assert_eq!(variants(&mortar, "media", "a.jpg").len(), 3);
    mortar.put("a.jpg", &picture(NEW));
    assert_eq!(purge(&mortar, &json!({"bucket": "media", "key": "a.jpg"})), 3);
    for path in paths {
        assert_eq!(dimensions(&mortar, path), (50, 20), "{path}");
    }
}

#[test]
fn variants_are_told_with_what_is_known_of_them() {
    let mortar = Mortar::start();
    mortar.put("a b.jpg", &picture(OLD));
    assert_eq!(variants(&mortar, "media", "a%20b.jpg"), Vec::<Value>::new());
    let body = mortar.get("/media/a%20b.jpg?width=50&format=png").body;
    mortar.get("/media/small/a%20b.jpg");
    mortar.wait_until_stored(2);
    let variants = variants(&mortar, "media", "a%20b.jpg");
    assert_eq!(variants.len(), 2);
    let png = variants.iter().find(|variant| variant["content_type"] == "image/png").unwrap();
    assert_eq!((&png["bucket"], &png["size"]), (&"media".into(), &body.len().into()));
    assert!(png["key"].as_str().unwrap().starts_with("a b.jpg/"), "{png}");
    assert!(png["last_modified"].as_str().unwrap().ends_with(" GMT"), "{png}");
}

#[test]
fn orders_that_cannot_be_carried_out_are_refused_with_the_reason() {
    let mortar = Mortar::start();
    for order in [
        "",
        "{",
        "[]",
        r#"{"key": "a.jpg"}"#,
        r#"{"bucket": "media"}"#,
        r#"{"bucket": "media", "all": false}"#,
        r#"{"bucket": "media", "key": "a.jpg", "all": true}"#,
        r#"{"bucket": "media", "key": "a.jpg", "prefix": "a"}"#,
        r#"{"bucket": "media", "key": ""}"#,
        r#"{"bucket": "media", "key": ".mortar/variants/media/a.jpg/=/r=0"}"#,
        r#"{"bucket": "media", "prefix": ""}"#,
        r#"{"bucket": "media", "keys": ["a.jpg"]}"#,
    ] {
        let answer = mortar.order("/purge", order);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"]), (400, &"invalid_request".into()), "{order}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(mortar.order("/purge", r#"{"bucket": "no", "all": true}"#).status, 404);
    for (query, status) in [("bucket=media", 400), ("bucket=no&key=a", 404), ("bucket=media&key=a&after=x", 400)] {
        assert_eq!(mortar.internal(&format!("/variants?{query}")).status, status, "{query}");
    }
}

#[test]
fn what_mortar_keeps_for_itself_is_not_there_for_clients() {
    let mortar = Mortar::start();
    mortar.put(".mortar/a.jpg", &picture(OLD));
    mortar.put(".mortar-not.jpg", &picture(OLD));
    for path in [
        "/media/.mortar/a.jpg",
        "/media/%2emortar/a.jpg",
        "/media/.mortar/a.jpg?width=50",
        "/media/small/.mortar/a.jpg",
    ] {
        assert_eq!(mortar.get(path).status, 404, "{path}");
    }
    assert_eq!(mortar.get("/media/.mortar-not.jpg").status, 200);
}

#[test]
fn a_flight_of_before_answers_those_who_asked_before_and_leaves_nothing_behind() {
    let (origin, original) = changing_origin();
    let mortar = Mortar::with("lock_timeout = \"60s\"", &format!("{ORIGINS}{}", origin.bucket()));
    let path = "/remote/a.jpg?width=50";
    origin.hold();
    let before = mortar.get_meanwhile(path);
    origin.wait_for_requests(1);
    *original.lock().unwrap() = picture(NEW);
    assert_eq!(purge(&mortar, &json!({"bucket": "remote", "key": "a.jpg"})), 0);
    let after = mortar.get_meanwhile(path);
    origin.wait_for_requests(2);
    origin.release();
    assert_eq!(before.join().unwrap().picture().dimensions(), (50, 40));
    assert_eq!(after.join().unwrap().picture().dimensions(), (50, 20));
    mortar.wait_until_stored(1);
    wait_for("the old result to be passed over", || (mortar.detail("store-back")["outdated"] == 1).then_some(()));
    assert_eq!(dimensions(&mortar, path), (50, 20));
    let mortar = mortar.restart();
    assert_eq!(dimensions(&mortar, path), (50, 20), "and so says the store");
    assert_eq!(origin.asked().len(), 2);
}

#[test]
fn a_purge_at_one_instance_is_seen_at_every_other() {
    let (redis, (origin, original)) = (Redis::start(), changing_origin());
    let sections = format!("{}{ORIGINS}{}", shared(&redis.address()), origin.bucket());
    let one = Mortar::with("", &sections);
    let other = one.beside();
    let path = "/remote/a.jpg?width=50";
    for instance in [&one, &other] {
        instance.wait_for_stats("announcements to be heard", |stats| {
            stats["redis"][1]["announcements"]["connected"] == true
        });
        assert_eq!(dimensions(instance, path), (50, 40));
    }
    one.wait_until_stored(1);
    wait_for("the result in Redis", || (!redis.keys("mortar:result:*").is_empty()).then_some(()));
    *original.lock().unwrap() = picture(NEW);
    assert_eq!(purge(&other, &json!({"bucket": "remote", "key": "a.jpg"})), 1);
    assert_eq!(dimensions(&other, path), (50, 20));
    wait_for("the other instance to hear of it", || (dimensions(&one, path) == (50, 20)).then_some(()));
    assert_eq!(dimensions(&one.beside(), path), (50, 20), "an instance that has nothing in memory");
    *original.lock().unwrap() = picture(OLD);
    purge(&one, &json!({"bucket": "remote", "all": true}));
    wait_for("all of the bucket to be new", || (dimensions(&other, path) == (50, 40)).then_some(()));
    assert_eq!(dimensions(&one.beside(), path), (50, 40));
}

#[test]
fn a_flight_of_before_at_another_instance_leaves_nothing_behind_either() {
    let (redis, (origin, original)) = (Redis::start(), changing_origin());
    let sections = format!("{}{ORIGINS}{}", shared(&redis.address()), origin.bucket());
    let one = Mortar::with("lock_timeout = \"60s\"", &sections);
    let other = one.beside();
    let path = "/remote/a.jpg?width=50";
    origin.hold();
    let before = one.get_meanwhile(path);
    origin.wait_for_requests(1);
    *original.lock().unwrap() = picture(NEW);
    purge(&other, &json!({"bucket": "remote", "key": "a.jpg"}));
    let after = other.get_meanwhile(path);
    origin.wait_for_requests(2);
    origin.release();
    assert_eq!(after.join().unwrap().picture().dimensions(), (50, 20));
    assert_eq!(before.join().unwrap().picture().dimensions(), (50, 40));
    one.wait_until_idle();
    other.wait_until_stored(1);
    wait_for("the old result to be passed over", || (one.detail("store-back")["outdated"] == 1).then_some(()));
    for instance in [&one, &other, &one.beside()] {
        assert_eq!(dimensions(instance, path), (50, 20));
    }
    redis.run::<()>(&["FLUSHALL"]);
    assert_eq!(dimensions(&one.beside(), path), (50, 20), "the store of results");
}

/// Nobody was killed, but Redis goes on with the mark of before, and with the results under it.
#[test]
fn an_upload_that_redis_did_not_hear_of_is_made_up_for_when_it_is_back() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port);
    let limits = "[s3_api]\nupload_timeout = \"1s\"\n";
    let sections = format!("{}{limits}{KEYS}", shared(&proxy.address()));
    let one = Mortar::with("request_timeout = \"5s\"", &sections);
    let other = one.beside();
    let put = |size| Signer::new(WRITER).send(&one, "PUT", "/media/a.jpg", &picture(size)).status;
    let path = "/media/a.jpg?width=50";
    assert_eq!(put(OLD), 200);
    assert_eq!([&one, &other].map(|instance| dimensions(instance, path)), [(50, 40); 2]);
    wait_for("the result in Redis", || (!redis.keys("mortar:result:*").is_empty()).then_some(()));
    proxy.turns(Mood::Cuts);
    assert_eq!(put(NEW), 200);
    proxy.turns(Mood::Passes);
    for instance in [&one, &other] {
        wait_for("the new picture", || (dimensions(instance, path) == (50, 20)).then_some(()));
    }
    assert_eq!(dimensions(&one.beside(), path), (50, 20));
}

/// An instance that cannot ask Redis stores what it makes, and does not know that the original was replaced elsewhere.
#[test]
fn an_old_result_that_was_stored_without_redis_is_taken_back_when_redis_is_back() {
    let (redis, server, (origin, original)) = (Redis::start(), S3Server::start(), changing_origin());
    let proxy = Proxy::before(redis.port);
    let bucket = format!(
        "[buckets.remote.storages.basic]\nkind = \"http\"\nurl = \"http://{}/<container>/<item>\"\n{}\
         [buckets.remote.transform]\nkind = \"query\"\n",
        origin.address,
        s3_storage("remote", "transform", &server.url(), (ACCESS_KEY, SECRET_KEY))
    );
    let instance = |address: &str| {
        let mortar = Mortar::with("lock_timeout = \"60s\"", &format!("{}{ORIGINS}{bucket}", shared(address)));
        mortar.wait_for_stats("announcements to be heard", |stats| {
            stats["redis"][1]["announcements"]["connected"] == true
        });
        mortar
    };
    let (one, cut_off) = (instance(&redis.address()), instance(&proxy.address()));
    let path = "/remote/a.jpg?width=50";
    proxy.turns(Mood::Cuts);
    origin.hold();
    let before = cut_off.get_meanwhile(path);
    origin.wait_for_requests(1);
    *original.lock().unwrap() = picture(NEW);
    assert_eq!(purge(&one, &json!({"bucket": "remote", "key": "a.jpg"})), 0);
    origin.release();
    assert_eq!(before.join().unwrap().picture().dimensions(), (50, 40));
    cut_off.wait_until_stored(1);
    let store_back = |figure: &str| cut_off.detail("store-back")[figure].clone();
    assert_eq!((store_back("doubtful"), dimensions(&one, path)), (1.into(), (50, 40)), "nobody knows better yet");
    proxy.turns(Mood::Passes);
    wait_for("the old result to be taken back", || (store_back("outdated") == 1).then_some(()));
    for instance in [&one, &cut_off] {
        wait_for("what was read of it to be forgotten", || (dimensions(instance, path) == (50, 20)).then_some(()));
    }
}

#[test]
fn announcements_that_were_missed_are_made_up_for_when_redis_is_heard_again() {
    let (mut redis, (origin, original)) = (Redis::start(), changing_origin());
    let sections = format!("{}{ORIGINS}{}", shared(&redis.address()), origin.bucket());
    let one = Mortar::with("", &sections);
    let other = one.beside();
    let path = "/remote/a.jpg?width=50";
    for instance in [&one, &other] {
        assert_eq!(dimensions(instance, path), (50, 40));
        instance.wait_until_idle();
        instance.wait_for_stats("announcements to be heard", |stats| {
            stats["redis"][1]["announcements"]["connected"] == true
        });
    }
    one.wait_until_stored(1);
    redis.kill();
    *original.lock().unwrap() = picture(NEW);
    let told = other.order("/purge", r#"{"bucket": "remote", "key": "a.jpg"}"#).json();
    assert_eq!((&told["removed"], &told["others_told"]), (&1.into(), &false.into()), "{told}");
    assert_eq!(dimensions(&other, path), (50, 20));
    redis.revive();
    wait_for("the other instance to make up for it", || (dimensions(&one, path) == (50, 20)).then_some(()));
}

//! Errors as clients meet them: the right status, one JSON shape, the headers that help, and no word of the inside.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use harness::origin::{ALLOW_LOOPBACK, Origin, Reply, remote_bucket};
use harness::wire::Wire;
use harness::{Answer, Mortar, drawn_jpeg, wait_for};
use serde_json::Value;

/// Checks the status, the code, the shape, and that the message tells nothing of the inside.
fn expect_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.error_code().as_str()), (status, code), "{}", answer.text());
    let body = answer.json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((keys(&body), keys(&body["error"])), (vec!["error".to_owned()], error_keys()));
    let message = body["error"]["message"].as_str().unwrap();
    for inside in ["/tmp", "/data", "127.0.0.1", "localhost", "os error", "panicked", ".rs", "hyper", "Custom {"] {
        assert!(!message.contains(inside), "{inside:?} is shown in {message:?}");
    }
    assert!(!answer.header("cache-control").contains("max-age"), "an error is not kept as long as a picture");
}

fn error_keys() -> Vec<String> {
    ["code", "message", "request_id"].map(str::to_owned).to_vec()
}

#[test]
fn requests_that_are_wrong_are_told_what_is_wrong() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    expect_error(&mortar.get("/media/a.jpg?width=x"), 400, "invalid_request");
    assert!(mortar.get("/media/a.jpg?width=x").text().contains("width"));
    expect_error(&mortar.get("/media/b.jpg"), 404, "not_found");
    expect_error(&mortar.get_with("/media/a.jpg", &[("range", "bytes=999999-")]), 416, "range_not_satisfiable");
    for method in ["PATCH", "TRACE", "BREW"] {
        let answer = mortar.ask(method, "/media/a.jpg", &[]);
        expect_error(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS", "{method}");
    }
}

#[test]
fn a_failed_head_has_the_headers_of_the_failed_get_and_no_body() {
    let mortar = Mortar::start();
    for path in ["/media/b.jpg", "/media/b.jpg?width=10", "/media/b.jpg?width=x", "/nowhere/b.jpg"] {
        let id = ("x-request-id", "same");
        let (get, head) = (mortar.get_with(path, &[id]), mortar.ask("HEAD", path, &[id]));
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["content-type", "content-length", "x-request-id"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
}

#[test]
fn nonsense_on_the_wire_is_a_400_and_harms_nobody() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    for nonsense in
        ["\u{1}\u{2}\u{3}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /media/a b HTTP/1.1\r\n\r\n"]
    {
        let mut wire = Wire::to(&mortar);
        wire.send(nonsense);
        assert_eq!(wire.status(), 400, "{nonsense:?}");
    }
    assert_eq!(mortar.get("/media/a.jpg?width=10").status, 200);
}

#[test]
fn a_dead_origin_is_a_502() {
    // The port was free a moment ago, and nobody listens on it now.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{}", remote_bucket(&free.to_string(), "")));
    for path in ["/remote/a.jpg", "/remote/a.jpg?width=10"] {
        expect_error(&mortar.get(path), 502, "upstream_error");
    }
}

#[test]
fn a_silent_origin_is_a_504_after_the_time_that_a_request_may_take() {
    let origin = Origin::start(|_| Reply::Silence);
    let mortar = Mortar::with("request_timeout = \"1s\"", &format!("{ALLOW_LOOPBACK}{}", origin.bucket()));
    for path in ["/remote/a.jpg?width=10", "/remote/a.jpg"] {
        expect_error(&mortar.get(path), 504, "timed_out");
    }
    mortar.wait_until_idle();
    origin.wait_until_left();
}

#[test]
fn an_origin_that_stalls_in_its_body_is_a_504() {
    let origin = Origin::start(|_| Reply::HeadOnly);
    let origins = format!("{ALLOW_LOOPBACK}idle_body_timeout = \"200ms\"\n");
    let mortar = Mortar::with("", &format!("{origins}{}", origin.bucket()));
    expect_error(&mortar.get("/remote/a.jpg?width=10"), 504, "timed_out");
    mortar.wait_until_idle();
    origin.wait_until_left();
}

#[test]
fn a_full_gate_refuses_at_once_with_a_time_to_come_back() {
    let origin = Origin::of(&drawn_jpeg(60, 40));
    origin.hold();
    let more = "[actors.storage]\nreads = 1\nstreams = 1\n";
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{more}{}", origin.bucket()));
    let first = mortar.get_meanwhile("/remote/a.jpg?width=10");
    let streamed = mortar.get_meanwhile("/remote/a.jpg");
    origin.wait_for_requests(2);
    for path in ["/remote/b.jpg?width=10", "/remote/b.jpg"] {
        let refused = mortar.get(path);
        expect_error(&refused, 503, "overloaded");
        assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1, "{path}");
        assert_eq!(refused.header("cache-control"), "no-store");
    }
    origin.release();
    assert_eq!(first.join().unwrap().status, 200, "who was admitted is served");
    assert_eq!(streamed.join().unwrap().status, 200);
    mortar.wait_until_idle();
    assert_eq!(mortar.get("/remote/b.jpg?width=10").status, 200);
    assert!(mortar.actor("storage")["refused"].as_u64().unwrap() >= 2);
}

#[test]
fn too_many_flights_are_refused_while_the_one_in_the_air_can_be_joined() {
    let origin = Origin::of(&drawn_jpeg(60, 40));
    origin.hold();
    let more = "[actors.lock]\nflights = 1\n";
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{more}{}", origin.bucket()));
    let first = mortar.get_meanwhile("/remote/a.jpg?width=10");
    origin.wait_for_requests(1);
    let joined = mortar.get_meanwhile("/remote/a.jpg?width=10");
    wait_for("the second to join", || (mortar.detail("lock")["waiters"] == 2).then_some(()));
    let refused = mortar.get("/remote/b.jpg?width=10");
    expect_error(&refused, 503, "overloaded");
    assert_ne!(refused.header("retry-after"), "");
    origin.release();
    assert_eq!((first.join().unwrap().status, joined.join().unwrap().status), (200, 200));
}

#[test]
fn renders_beyond_the_queue_are_refused_and_hits_are_served_meanwhile() {
    let server = "concurrent_image_processing = 1";
    let mortar = Mortar::with(server, "[actors.transform]\nqueued = 1\n");
    mortar.put("small.jpg", &drawn_jpeg(60, 40));
    mortar.put("large.jpg", &drawn_jpeg(1_300, 1_300));
    let hit = mortar.get("/media/small.jpg?width=10");
    let slow = |sigma: u32| format!("/media/large.jpg?operation=blur&sigma={sigma}&format=png");
    let first = Wire::asking(&mortar, &slow(40));
    mortar.wait_for_stats("the first render to run", |stats| transform(stats)["running"] == 1);
    let second = Wire::asking(&mortar, &slow(41));
    mortar.wait_for_stats("the second render to wait", |stats| transform(stats)["queued"] == 1);
    let refused = mortar.get(&slow(42));
    expect_error(&refused, 503, "overloaded");
    assert_ne!(refused.header("retry-after"), "");
    assert_eq!(mortar.get("/media/small.jpg?width=10").body, hit.body, "a hit needs no render");
    assert_eq!(mortar.get("/media/small.jpg").status, 200, "nor does an original");
    let ready = mortar.internal("/ready");
    assert_eq!(ready.status, 503, "{}", ready.text());
    // Both clients leave: what runs stops at its next stage, what waits is never begun.
    drop((first, second));
    mortar.wait_until_idle();
    assert_eq!(mortar.get("/media/small.jpg?width=11").status, 200);
    assert_eq!(mortar.internal("/ready").status, 200);
}

fn transform(stats: &Value) -> &Value {
    let children = stats["tree"]["children"].as_array().unwrap();
    &children.iter().find(|child| child["name"] == "transform").unwrap()["detail"]["transform"]
}

#[test]
fn a_result_store_that_fails_is_a_502_and_starts_no_render() {
    let results = Origin::start(|_| Reply::status(500));
    let bucket = format!(
        r#"
[buckets.guarded.storages.basic]
kind = "local"
root_path = "{{root}}"
[buckets.guarded.storages.transform]
kind = "http"
url = "http://{}/<container>/<item>"
[buckets.guarded.transform]
kind = "query"
"#,
        results.address
    );
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{bucket}"));
    mortar.put("../guarded/a.jpg", &drawn_jpeg(60, 40));
    expect_error(&mortar.get("/guarded/a.jpg?width=10"), 502, "upstream_error");
    assert_eq!(mortar.actor("transform")["handled"], 0);
    assert_eq!(mortar.get("/guarded/a.jpg").status, 200);
}

#[test]
fn a_failure_is_logged_once_with_the_id_that_the_client_was_told() {
    let origin = Origin::start(|_| Reply::status(500));
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{}", origin.bucket()));
    let answer = mortar.get_with("/remote/a.jpg?width=10", &[("x-request-id", "find-me")]);
    expect_error(&answer, 502, "upstream_error");
    let lines = || mortar.log().into_iter().filter(|line| line.contains("find-me")).collect::<Vec<_>>();
    let lines = wait_for("the log line", || Some(lines()).filter(|lines| !lines.is_empty()));
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((lines.len(), &line["status"], &line["code"]), (1, &502.into(), &"upstream_error".into()));
}

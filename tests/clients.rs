//! Clients that behave badly, or are merely old: slow heads, bodies that nobody asked for, HTTP/1.0, thousands at once.

mod harness;

use harness::wire::Wire;
use harness::{Mortar, drawn_jpeg, send};

fn start(server: &str) -> Mortar {
    let mortar = Mortar::with(server, "");
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    mortar
}

#[test]
fn half_a_head_is_not_waited_for_longer_than_configured() {
    let mortar = start("client_header_timeout = \"1s\"");
    let mut slow = Wire::to(&mortar);
    slow.send("GET /media/a.jpg HTTP/1.1\r\nHost:");
    assert_eq!(slow.status(), 408);
    assert_eq!(mortar.get("/media/a.jpg").status, 200);
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let mortar = start("keep_alive = \"1s\"");
    let mut idle = Wire::to(&mortar);
    idle.send("HEAD /media/a.jpg HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(idle.head().starts_with("HTTP/1.1 200"));
    assert!(idle.rest().is_empty(), "closed without a word");
}

#[test]
fn one_connection_serves_many_requests() {
    let mortar = start("");
    let mut wire = Wire::to(&mortar);
    for width in 1..50 {
        wire.send(&format!("GET /media/a.jpg?width={width} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let head = wire.head();
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        assert!(head.starts_with("HTTP/1.1 200"), "{width}: {head}");
        wire.read(length.unwrap());
    }
}

#[test]
fn http_1_0_is_answered_and_the_connection_closed() {
    let mortar = start("");
    let whole = mortar.get("/media/a.jpg?width=20").body;
    let mut wire = Wire::to(&mortar);
    wire.send("GET /media/a.jpg?width=20 HTTP/1.0\r\n\r\n");
    let answer = wire.rest();
    assert!(answer.starts_with(b"HTTP/1.0 200") && answer.ends_with(&whole));
}

#[test]
fn a_body_that_nobody_asked_for_is_not_kept() {
    let mortar = start("");
    let before = mortar.stats()["process"]["peak_resident_bytes"].as_u64().unwrap();
    for method in ["POST", "GET"] {
        let mut wire = Wire::to(&mortar);
        wire.send(&format!("{method} /media/a.jpg HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"));
        wire.send(&"x".repeat(100_000));
        let head = wire.head();
        assert!(head.starts_with("HTTP/1.1 501") || head.starts_with("HTTP/1.1 200"), "{method}: {head}");
    }
    let after = mortar.stats()["process"]["peak_resident_bytes"].as_u64().unwrap();
    assert!(after - before < 16 << 20, "{before} bytes at first, {after} in the end");
    mortar.wait_until_idle();
}

#[test]
fn hundreds_of_different_pictures_at_once_are_served_or_refused_and_never_lost() {
    let mortar = start("concurrent_image_processing = 2");
    let requests: Vec<_> = (1..=200)
        .map(|width| {
            let url = format!("{}/media/a.jpg?width={width}", mortar.address);
            std::thread::spawn(move || send("GET", &url, &[]))
        })
        .collect();
    for request in requests {
        let answer = request.join().unwrap();
        match answer.status {
            200 => assert_eq!(answer.header("content-type"), "image/jpeg"),
            503 => assert_ne!(answer.header("retry-after"), ""),
            other => panic!("{other}: {}", answer.text()),
        }
    }
    mortar.wait_until_idle();
    let gates = mortar.actor("transform")["gates"].clone();
    assert_eq!(gates[0]["held"], 0, "{gates}");
    assert_eq!(mortar.get("/media/a.jpg?width=300").status, 200);
}

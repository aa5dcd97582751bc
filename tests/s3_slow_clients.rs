//! Clients that send next to nothing are not waited for, whatever they send.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::thread;
use std::time::Duration;

use harness::Mortar;
use harness::signer::{KEYS, Signer, UNSIGNED, WRITER};
use harness::wire::Wire;

const PAUSE: Duration = Duration::from_millis(20);

fn mortar(limits: &str) -> Mortar {
    Mortar::with("", &format!("[actors.storage]\nwrites = 2\n[s3_api]\n{limits}\n{KEYS}"))
}

/// Announces a body of 1 MB and lets it drip, one byte at a time, until there is an answer.
fn drip(mortar: &Mortar, method: &str, path: &str) -> String {
    let signed = Signer::new(WRITER).sign(mortar, method, path, &[], UNSIGNED);
    let mut wire = Wire::to(mortar);
    wire.send(&signed.head("content-length: 1000000\r\n"));
    wire.drip(b"<", PAUSE)
}

fn assert_too_slow(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
}

#[test]
fn clients_that_drip_give_their_places_back_and_nothing_of_theirs_is_kept() {
    let mortar = mortar("upload_idle_timeout = \"3s\"\nupload_min_rate = \"64KiB\"");
    thread::scope(|scope| {
        for path in ["/media/a", "/media/b"] {
            let mortar = &mortar;
            scope.spawn(move || assert_too_slow(&drip(mortar, "PUT", path)));
        }
        mortar.wait_for_stats("both places to be taken", |stats| held(stats) == 2);
    });
    mortar.wait_until_idle();
    assert!(harness::everything_below(&mortar.originals()).is_empty());
    for path in ["/media/a", "/media/b"] {
        assert_eq!(Signer::new(WRITER).send(&mortar, "PUT", path, b"whole").status, 200);
    }
}

/// Places of the gate for writes that are taken.
fn held(stats: &serde_json::Value) -> u64 {
    let children = stats["tree"]["children"].as_array().unwrap();
    let gates = children.iter().flat_map(|child| child["gates"].as_array().unwrap());
    gates.filter(|gate| gate["name"] == "writes").map(|gate| gate["held"].as_u64().unwrap()).sum()
}

#[test]
fn a_list_that_drips_is_not_waited_for_either() {
    let mortar = mortar("upload_idle_timeout = \"1s\"\nupload_min_rate = \"64KiB\"");
    for (method, path) in [("POST", "/media?delete"), ("POST", "/media/a?uploadId=x"), ("PUT", "/media")] {
        assert_too_slow(&drip(&mortar, method, path));
    }
    mortar.wait_until_idle();
}

#[test]
fn where_no_rate_is_asked_for_a_body_may_still_not_take_for_ever() {
    let mortar = mortar("upload_timeout = \"1s\"\nupload_min_rate = 0");
    for (method, path) in [("PUT", "/media/a"), ("POST", "/media?delete")] {
        assert_too_slow(&drip(&mortar, method, path));
    }
    mortar.wait_until_idle();
    assert!(harness::everything_below(&mortar.originals()).is_empty());
}

//! The pages for those who run it: `/stats`, `/metrics`, `/health` and `/ready`.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use harness::origin::{ALLOW_LOOPBACK, Origin, Reply};
use harness::{Mortar, drawn_jpeg};
use serde_json::Value;

const ACTORS: [&str; 7] = ["storage", "cache", "uploads", "lock", "transform", "store-back", "changes"];

#[test]
fn stats_tell_every_figure_of_every_actor() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(200, 160));
    assert_eq!(mortar.get("/media/a.jpg?width=50").status, 200);
    mortar.wait_until_stored(1);
    assert_eq!(mortar.get("/media/a.jpg?width=50").status, 200);
    let stats = mortar.stats();
    let children = stats["tree"]["children"].as_array().unwrap();
    let names: Vec<&str> = children.iter().map(|child| child["name"].as_str().unwrap()).collect();
    assert_eq!(names, ACTORS, "in the order in which they start");
    for child in children {
        for figure in ["capacity", "queued", "running", "handled", "refused", "cancelled", "failed", "restarts"] {
            assert!(child[figure].is_u64(), "{}: {figure}", child["name"]);
        }
        assert!(child["uptime_seconds"].is_u64());
        assert_eq!(child["state"], "running");
        for times in ["wait", "work"] {
            for percentile in ["count", "total_micros", "p50_micros", "p90_micros", "p99_micros", "max_micros"] {
                assert!(child[times][percentile].is_u64(), "{}: {times} {percentile}", child["name"]);
            }
        }
        for gate in child["gates"].as_array().unwrap() {
            for figure in ["capacity", "held", "waiting", "admitted", "refused"] {
                assert!(gate[figure].is_u64(), "{}: {figure}", gate["name"]);
            }
        }
    }
    for figure in ["resident_bytes", "open_descriptors", "tasks"] {
        assert!(stats["process"][figure].is_u64(), "{figure}");
    }
}

#[test]
fn stats_count_what_happened() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(200, 160));
    let body = mortar.get("/media/a.jpg?width=50").body;
    mortar.wait_until_stored(1);
    mortar.get("/media/a.jpg?width=50");
    mortar.get("/media/b.jpg");
    let stats = mortar.stats();
    let detail = |name: &str| mortar.detail(name);
    assert_eq!((&detail("cache")["entries"], &detail("cache")["memory_hits"]), (&1.into(), &1.into()));
    assert!(detail("cache")["bytes"].as_u64().unwrap() >= body.len() as u64);
    assert_eq!((&detail("lock")["started"], &detail("lock")["live"]), (&1.into(), &0.into()));
    assert_eq!((&detail("store-back")["written"], &detail("store-back")["queued"]), (&1.into(), &0.into()));
    assert_eq!(mortar.actor("transform")["handled"], 1);
    assert!(mortar.actor("transform")["work"]["max_micros"].as_u64().unwrap() > 0);
    let clients = detail("storage")["clients"].as_array().unwrap().clone();
    assert_eq!(clients.len(), 2, "one for originals, one for results: {clients:?}");
    assert_eq!(stats["http"]["requests"], 3);
    assert_eq!(stats["http"]["by_class"], serde_json::json!([["2xx", 2], ["3xx", 0], ["4xx", 1], ["5xx", 0]]));
}

/// Families by name with their kind, after checking every line of the text.
fn parse_metrics(text: &str) -> (BTreeMap<String, String>, BTreeMap<String, f64>) {
    let (mut kinds, mut samples) = (BTreeMap::new(), BTreeMap::new());
    let lines: Vec<&str> = text.lines().collect();
    let (last, lines) = lines.split_last().unwrap();
    assert_eq!(*last, "# EOF");
    for line in lines {
        if let Some(described) = line.strip_prefix("# ") {
            let words: Vec<&str> = described.splitn(3, ' ').collect();
            let [keyword, name, rest] = words[..] else { panic!("{line}") };
            assert!(matches!(keyword, "HELP" | "TYPE" | "UNIT"), "{line}");
            if keyword == "TYPE" {
                assert!(matches!(rest, "counter" | "gauge"), "{line}");
                assert!(kinds.insert(name.to_owned(), rest.to_owned()).is_none(), "described twice: {line}");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let family = name.strip_suffix("_total").unwrap_or(name);
        let kind = kinds.get(family).unwrap_or_else(|| panic!("not described: {line}"));
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        assert!(name.starts_with("mortar_") && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "told twice: {line}");
    }
    (kinds, samples)
}

#[test]
fn metrics_are_open_metrics_and_say_what_stats_say() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(200, 160));
    assert_eq!(mortar.get("/media/a.jpg?width=50").status, 200);
    mortar.wait_until_stored(1);
    let page = mortar.internal("/metrics");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("application/openmetrics-text"), "{}", page.header("content-type"));
    let (kinds, samples) = parse_metrics(&page.text());
    for gauge in [
        "mortar_actor_capacity",
        "mortar_actor_queued",
        "mortar_actor_running",
        "mortar_gate_capacity",
        "mortar_gate_held",
        "mortar_cache_entries",
        "mortar_cache_bytes",
        "mortar_flights",
        "mortar_flight_waiters",
        "mortar_storage_clients",
        "mortar_renders_running",
        "mortar_renders_queued",
        "mortar_render_memory_bytes",
        "mortar_store_back_queued",
        "mortar_store_back_queued_bytes",
        "mortar_process_resident_bytes",
        "mortar_process_open_descriptors",
        "mortar_process_tasks",
        "mortar_ready",
    ] {
        assert_eq!(kinds.get(gauge).map(String::as_str), Some("gauge"), "{gauge}");
    }
    for actor in ACTORS {
        for counter in ["handled", "refused", "cancelled", "failed", "panics", "restarts"] {
            let series = format!("mortar_actor_{counter}_total{{actor=\"{actor}\"}}");
            assert!(samples.contains_key(&series), "{series}");
        }
    }
    assert_eq!(samples["mortar_actor_handled_total{actor=\"transform\"}"], 1.0);
    assert_eq!(samples["mortar_actor_works_total{actor=\"transform\"}"], 1.0);
    assert!(samples["mortar_actor_worked_seconds_total{actor=\"transform\"}"] > 0.0);
    assert_eq!(samples["mortar_cache_entries"], 1.0);
    assert_eq!(samples["mortar_store_back_written_total"], 1.0);
    assert_eq!(samples["mortar_ready"], 1.0);
    assert_eq!(samples["mortar_http_requests_total"], 1.0);
}

#[test]
fn every_gate_of_stats_has_its_series_in_metrics() {
    let mortar = Mortar::start();
    let stats = mortar.stats();
    let (_, samples) = parse_metrics(&mortar.internal("/metrics").text());
    let mut gates = BTreeSet::new();
    for child in stats["tree"]["children"].as_array().unwrap() {
        for gate in child["gates"].as_array().unwrap() {
            let labels = format!("{{actor={},gate={}}}", child["name"], gate["name"]);
            assert_eq!(samples[&format!("mortar_gate_capacity{labels}")], gate["capacity"].as_f64().unwrap());
            gates.insert(labels);
        }
    }
    assert!(gates.len() >= 8, "{gates:?}");
}

#[test]
fn health_and_ready_say_yes_while_all_is_well() {
    let mortar = Mortar::start();
    let health = mortar.internal("/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &Value::from("alive")));
    let ready = mortar.internal("/ready");
    assert_eq!((ready.status, ready.json()), (200, serde_json::json!({"ready": true, "reasons": []})));
    for page in ["/stats", "/metrics", "/health", "/ready"] {
        assert_eq!(mortar.internal(page).header("cache-control"), "no-store", "{page}");
    }
    assert_eq!(mortar.internal("/").status, 404);
}

#[test]
fn the_internal_pages_are_not_among_the_traffic_and_pictures_not_among_them() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(20, 10));
    for page in ["/stats", "/metrics", "/health", "/ready"] {
        assert_eq!(mortar.get(page).status, 403, "{page} names a bucket, which nobody may list");
    }
    assert_eq!(mortar.internal("/media/a.jpg").status, 404);
}

#[test]
fn a_failing_store_makes_it_not_ready_until_it_answers_again() {
    let well = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&well);
    let picture = drawn_jpeg(20, 10);
    let origin = Origin::start(move |_| {
        if seen.load(std::sync::atomic::Ordering::Relaxed) { Reply::ok(&picture) } else { Reply::status(500) }
    });
    let more = "[actors.storage]\nbreaker_failures = 2\nbreaker_cooldown = \"1s\"\n";
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{more}{}", origin.bucket()));
    for _ in 0..3 {
        assert!(mortar.get("/remote/a.jpg").status >= 500);
    }
    let ready = mortar.internal("/ready");
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &false.into()));
    assert!(ready.json()["reasons"][0].as_str().unwrap().contains("remote/basic"), "{}", ready.text());
    assert_eq!(mortar.stats()["ready"], false);
    well.store(true, std::sync::atomic::Ordering::Relaxed);
    harness::wait_for("the store to be asked again", || (mortar.get("/remote/a.jpg").status == 200).then_some(()));
    assert_eq!(mortar.internal("/ready").status, 200);
}

#[test]
fn saturation_makes_it_not_ready_while_it_lasts() {
    let origin = Origin::of(&drawn_jpeg(60, 40));
    origin.hold();
    let more = "[actors.storage]\nreads = 1\n";
    let mortar = Mortar::with("", &format!("{ALLOW_LOOPBACK}{more}{}", origin.bucket()));
    let held = mortar.get_meanwhile("/remote/a.jpg?width=10");
    origin.wait_for_requests(1);
    assert_eq!(mortar.get("/remote/b.jpg?width=10").status, 503);
    let ready = mortar.internal("/ready");
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(ready.text().contains("storage"), "{}", ready.text());
    origin.release();
    assert_eq!(held.join().unwrap().status, 200);
    harness::wait_for("it to be ready again", || (mortar.internal("/ready").status == 200).then_some(()));
}

#[test]
fn no_secret_is_on_any_page_or_in_any_log_line() {
    let origin = Origin::of(&drawn_jpeg(20, 10));
    let bucket = harness::origin::remote_bucket(&origin.address, "headers = { authorization = \"Bearer hush-hush\" }");
    let keys = "[[buckets.remote.keys]]\naccess_key = \"key\"\nsecret_access_key = \"hush-hush-too\"\n";
    let server = "access_logs = true\nlog_level = \"trace\"";
    let mortar = Mortar::with(server, &format!("{ALLOW_LOOPBACK}{bucket}{keys}"));
    assert_eq!(mortar.get("/remote/a.jpg?width=10").status, 200);
    let presigned = mortar.get("/remote/a.jpg?width=10&X-Amz-Signature=hush-hush-sig");
    assert_eq!(presigned.status, 400, "a signature alone is no presigned request");
    for page in ["/stats", "/metrics", "/health", "/ready"] {
        assert!(!mortar.internal(page).text().contains("hush-hush"), "{page}");
    }
    harness::wait_for("the access log", || {
        mortar.log().iter().any(|line| line.contains("/remote/a.jpg")).then_some(())
    });
    let told: Vec<String> = mortar.log().into_iter().filter(|line| line.contains("hush-hush")).collect();
    assert!(told.is_empty(), "{told:#?}");
}

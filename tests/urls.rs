//! What a URL asks for: presets, queries and both; parents; where results are kept; and what no URL can reach.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;

use std::path::Path;

use harness::wire::Wire;
use harness::{Mortar, drawn_jpeg, files_below, wait_for};

/// Buckets of every kind over the same directories.
const BUCKETS: &str = r#"
[buckets.named.storages.basic]
kind = "local-meta"
root_path = "{root}"
[buckets.named.storages.transform]
kind = "local-meta"
root_path = "{root}/results"
[buckets.named.transform]
kind = "presets"
path = '^/(?P<presetName>small|turned|huge)/(?P<parent>.+)$'
[buckets.named.transform.presets.small.filters]
thumbnail = { width = 100 }
[buckets.named.transform.presets.turned.filters]
rotate = { angle = 90 }

[buckets.asked.storages.basic]
kind = "local-meta"
root_path = "{root}"
[buckets.asked.storages.archive]
kind = "local-meta"
root_path = "{root}/archive"
[buckets.asked.storages.transform]
kind = "local-meta"
root_path = "{root}/results"
[buckets.asked.transform]
kind = "query"
parent_storage = "archive"
result_key = "hash"

[buckets.checked.storages.basic]
kind = "local"
root_path = "{root}"
[buckets.checked.storages.transform]
kind = "local"
root_path = "{root}/results"
[buckets.checked.transform]
kind = "query"
check_parent = true

[buckets.front.storages.basic]
kind = "local-meta"
root_path = "{root}"
[buckets.front.storages.transform]
kind = "local-meta"
root_path = "{root}/results"
[buckets.front.transform]
kind = "query"
parent_bucket = "media"
"#;

fn start() -> Mortar {
    Mortar::with("", BUCKETS)
}

/// The files of a directory by their paths below it, sorted.
fn names_below(directory: &Path) -> Vec<String> {
    let name = |path: &Path| path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = files_below(directory).iter().map(|path| name(path)).collect();
    names.sort();
    names
}

/// Waits for exactly these stored results.
fn expect_results(mortar: &Mortar, bucket: &str, expected: &[&str]) {
    let directory = mortar.root().join("results").join(bucket);
    wait_for(&format!("{expected:?} in {bucket}"), || (names_below(&directory) == expected).then_some(()));
}

#[test]
fn results_of_queries_lie_under_the_keys_that_mort_gives_them() {
    let mortar = start();
    mortar.put("dir/a.jpg", &drawn_jpeg(200, 160));
    for query in ["width=100", "width=100&height=70", "operation=crop&width=100&height=100", "width=200&grayscale=1"] {
        assert_eq!(mortar.get(&format!("/media/dir/a.jpg?{query}")).status, 200, "{query}");
    }
    expect_results(
        &mortar,
        "media",
        &[
            "dir-a.jpg/502480b52db2be7071d9806cc90bf5fc",
            "dir-a.jpg/ef58be2971891f422d28d7e1ec9c2da5",
            "dir-a.jpg/f38053e00e5ef6db6a4fffc51a325183",
            "dir-a.jpg/fe64865ea1eee38c5c981fae299b525d",
        ],
    );
}

#[test]
fn the_key_modes_put_results_where_their_configuration_says() {
    let mortar = start();
    let picture = drawn_jpeg(200, 160);
    mortar.put("../archive/asked/dir/a.jpg", &picture);
    mortar.put("../named/dir/a.jpg", &picture);
    assert_eq!(mortar.get("/asked/dir/a.jpg?width=100").picture().dimensions(), (100, 80));
    assert_eq!(mortar.get("/named/small/named/dir/a.jpg").picture().dimensions(), (100, 80));
    expect_results(&mortar, "asked", &["5d0/dir/dir-a.jpg-5d0858eed751b150"]);
    expect_results(&mortar, "named", &["small/named/dir/a.jpg"]);
}

#[test]
fn a_stored_result_of_that_key_is_used_and_not_made_again() {
    let mortar = start();
    let stored = drawn_jpeg(31, 17);
    mortar.put("../results/checked/a.jpg/placed", &stored);
    mortar.put("../checked/a.jpg", &drawn_jpeg(200, 160));
    assert_eq!(mortar.get("/checked/a.jpg?width=100").picture().dimensions(), (100, 80));
    mortar.wait_until_stored(1);
    let directory = mortar.root().join("results/checked");
    let made = names_below(&directory).into_iter().find(|name| name != "a.jpg/placed").unwrap();
    std::fs::write(directory.join(made), &stored).unwrap();
    let mortar = mortar.restart();
    assert_eq!(mortar.get("/checked/a.jpg?width=100").body, stored);
    assert_eq!(mortar.actor("transform")["handled"], 0);
}

#[test]
fn presets_nest_from_the_root_outwards() {
    let mortar = start();
    mortar.put("../named/a.jpg", &drawn_jpeg(200, 160));
    assert_eq!(mortar.get("/named/turned/named/a.jpg").picture().dimensions(), (160, 200));
    assert_eq!(mortar.get("/named/small/named/turned/named/a.jpg").picture().dimensions(), (100, 125));
    assert_eq!(mortar.get("/named/turned/named/small/named/a.jpg").picture().dimensions(), (80, 100));
}

#[test]
fn a_parent_comes_from_the_bucket_that_the_path_or_the_configuration_names() {
    let mortar = start();
    mortar.put("dir/a.jpg", &drawn_jpeg(200, 160));
    mortar.put("../named/a.jpg", &drawn_jpeg(300, 300));
    assert_eq!(mortar.get("/front/dir/a.jpg?width=50").picture().dimensions(), (50, 40));
    assert_eq!(mortar.get("/named/small/media/dir/a.jpg").picture().dimensions(), (100, 80));
    assert_eq!(mortar.get("/named/small/named/a.jpg").picture().dimensions(), (100, 100));
    assert_eq!(mortar.get("/named/small/nowhere/a.jpg").status, 404);
}

#[test]
fn a_bucket_of_presets_ignores_queries_and_one_of_queries_has_no_presets() {
    let mortar = start();
    mortar.put("../named/a.jpg", &drawn_jpeg(200, 160));
    mortar.put("../front/small/a.jpg", &drawn_jpeg(200, 160));
    assert_eq!(mortar.get("/named/a.jpg?width=20").picture().dimensions(), (200, 160));
    assert_eq!(mortar.get("/front/small/a.jpg").picture().dimensions(), (200, 160));
    // Where both are understood, the preset wins over the query.
    mortar.put("b.jpg", &drawn_jpeg(200, 160));
    assert_eq!(mortar.get("/media/small/b.jpg?width=20").picture().dimensions(), (100, 80));
    assert_eq!(mortar.get("/media/b.jpg?width=20").picture().dimensions(), (20, 16));
}

#[test]
fn a_result_whose_original_is_gone_is_not_served_where_parents_are_checked() {
    let mortar = start();
    let picture = drawn_jpeg(200, 160);
    mortar.put("../checked/a.jpg", &picture);
    mortar.put("a.jpg", &picture);
    for path in ["/checked/a.jpg?width=50", "/media/a.jpg?width=50"] {
        assert_eq!(mortar.get(path).status, 200);
    }
    mortar.wait_until_stored(2);
    std::fs::remove_file(mortar.root().join("checked/a.jpg")).unwrap();
    std::fs::remove_file(mortar.originals().join("a.jpg")).unwrap();
    assert_eq!(mortar.get("/checked/a.jpg?width=50").error_code(), "not_found");
    assert_eq!(mortar.get("/media/a.jpg?width=50").status, 200, "an unchecked result outlives its original");
    let mortar = mortar.restart();
    assert_eq!(mortar.get("/checked/a.jpg?width=50").status, 404);
    assert_eq!(mortar.get("/media/a.jpg?width=50").status, 200);
}

#[test]
fn equal_names_in_two_buckets_never_share_a_result() {
    let mortar = start();
    mortar.put("a.jpg", &drawn_jpeg(200, 160));
    mortar.put("../checked/a.jpg", &drawn_jpeg(300, 300));
    assert_eq!(mortar.get("/media/a.jpg?width=50").picture().dimensions(), (50, 40));
    assert_eq!(mortar.get("/checked/a.jpg?width=50").picture().dimensions(), (50, 50));
}

#[test]
fn what_is_not_understood_is_told_apart_from_what_is_not_there() {
    let mortar = start();
    mortar.put("a.jpg", &drawn_jpeg(200, 160));
    for (path, status, code) in [
        ("/nowhere/a.jpg", 404, "not_found"),
        ("/media/b.jpg", 404, "not_found"),
        ("/media/b.jpg?width=10", 404, "not_found"),
        ("/media/small/b.jpg", 404, "not_found"),
        ("/named/huge/media/a.jpg", 400, "invalid_request"),
        ("/media/a.jpg?width=x", 400, "invalid_request"),
        ("/media/a.jpg?width=-1", 400, "invalid_request"),
        ("/media/a.jpg?width=0", 400, "invalid_request"),
        ("/media/a.jpg?width=", 400, "invalid_request"),
        ("/media/a.jpg?width=99999999999999999999", 400, "invalid_request"),
        ("/media/a.jpg?operation=", 400, "invalid_request"),
        ("/media/a.jpg?operation=explode", 400, "invalid_request"),
        ("/media/a.jpg?operation=rotate&angle=45", 400, "invalid_request"),
        ("/media/a.jpg?operation=blur&sigma=0", 400, "invalid_request"),
        ("/media/a.jpg?operation=blur&sigma=NaN", 400, "invalid_request"),
        ("/media/a.jpg?operation=blur", 400, "invalid_request"),
        ("/media/a.jpg?operation=blur&sigma=inf", 400, "invalid_request"),
        ("/media/a.jpg?operation=blur&sigma=1e309", 400, "invalid_request"),
        ("/media/a.jpg?operation=blur&sigma=-1", 400, "invalid_request"),
        ("/media/a.jpg?operation=rotate&angle=-90", 400, "invalid_request"),
        ("/media/a.jpg?operation=rotate&angle=360", 400, "invalid_request"),
        ("/media/a.jpg?operation=rotate", 400, "invalid_request"),
        ("/media/a.jpg?operation=watermark&image=/media/a.jpg&position=top-left&opacity=NaN", 400, "invalid_request"),
        ("/media/a.jpg?operation=watermark&image=/media/a.jpg&position=top-left&opacity=2", 400, "invalid_request"),
        ("/media/a.jpg?operation=watermark&image=/media/a.jpg&position=here&opacity=1", 400, "invalid_request"),
        ("/media/a.jpg?operation=watermark&image=&position=top-left&opacity=1", 400, "invalid_request"),
        ("/media/a.jpg?quality=", 400, "invalid_request"),
        ("/media/a.jpg?format=", 400, "invalid_request"),
        ("/media/a.jpg?operation=watermark&image=/media/a.jpg&position=top-left", 400, "invalid_request"),
        ("/media/a.jpg?width=10&quality=0", 400, "invalid_request"),
        ("/media/a.jpg?width=10&quality=101", 400, "invalid_request"),
        ("/media/a.jpg?width=10&format=psd", 400, "invalid_request"),
        ("/media/a.jpg?width=%ff", 400, "invalid_request"),
    ] {
        let answer = mortar.get(path);
        assert_eq!((answer.status, answer.error_code().as_str()), (status, code), "{path}");
    }
}

#[test]
fn a_directory_is_no_object_and_a_file_no_directory() {
    let mortar = start();
    mortar.put("dir/a.jpg", &drawn_jpeg(200, 160));
    for path in ["/media/dir", "/media/dir/", "/media/dir/a.jpg/b.jpg", "/media/dir/a.jpg/", "/media/dir//"] {
        for query in ["", "?width=10"] {
            let answer = mortar.get(&format!("{path}{query}"));
            assert_eq!((answer.status, answer.error_code().as_str()), (404, "not_found"), "{path}{query}");
        }
    }
}

#[test]
fn a_parameter_that_nobody_knows_changes_nothing() {
    let mortar = start();
    let original = drawn_jpeg(200, 160);
    mortar.put("a.jpg", &original);
    assert_eq!(mortar.get("/media/a.jpg?v=1").body, original);
    assert_eq!(mortar.get("/media/a.jpg?width=50&v=1").body, mortar.get("/media/a.jpg?width=50").body);
    assert_eq!(mortar.actor("transform")["handled"], 1);
}

#[test]
fn the_order_of_parameters_and_of_operations_does_not_matter() {
    let mortar = start();
    mortar.put("a.jpg", &drawn_jpeg(200, 160));
    let bodies: Vec<Vec<u8>> = [
        "operation=resize&operation=rotate&width=40&angle=90&quality=60",
        "quality=60&angle=90&width=40&operation=rotate&operation=resize",
        "operation=rotate&angle=90&operation=resize&quality=60&width=40&",
        "operation=rotate&angle=%390&operation=resize&quality=60&width=4%30",
    ]
    .iter()
    .map(|query| mortar.get(&format!("/media/a.jpg?{query}")).body)
    .collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(mortar.actor("transform")["handled"], 1);
}

#[test]
fn names_may_have_anything_that_a_file_name_may_have() {
    let mortar = start();
    let picture = drawn_jpeg(60, 40);
    for (name, path) in [
        ("dir/sub/deep/a.jpg", "/media/dir/sub/deep/a.jpg"),
        ("grün & blau.jpg", "/media/gr%C3%BCn%20%26%20blau.jpg"),
        ("100%.jpg", "/media/100%25.jpg"),
        ("a+b.jpg", "/media/a+b.jpg"),
        ("q?.jpg", "/media/q%3F.jpg"),
        ("hash#.jpg", "/media/hash%23.jpg"),
        ("..dots...jpg", "/media/..dots...jpg"),
        ("no-extension", "/media/no-extension"),
        ("日本.jpg", "/media/%E6%97%A5%E6%9C%AC.jpg"),
    ] {
        mortar.put(name, &picture);
        assert_eq!(mortar.get(path).body, picture, "{name}");
        assert_eq!(mortar.get(&format!("{path}?width=30")).picture().dimensions(), (30, 20), "{name}");
    }
}

#[test]
fn no_path_leaves_the_root() {
    let mortar = start();
    std::fs::write(mortar.root().join("secret"), "secret").unwrap();
    std::fs::create_dir_all(mortar.originals()).unwrap();
    std::os::unix::fs::symlink(mortar.root(), mortar.originals().join("link")).unwrap();
    for path in [
        "/media/../secret",
        "/media/%2e%2e/secret",
        "/media/..%2fsecret",
        "/media/x/../../secret",
        "/media/link/secret",
        "/media//secret",
        "/media/small/../secret",
        "/../secret",
        "/media/%2Fetc%2Fpasswd",
        "/media/a%00.jpg",
        "/media/%",
        "/media/%zz",
        "/media/%ff",
    ] {
        let answer = Wire::asking(&mortar, path).rest();
        let text = String::from_utf8_lossy(&answer);
        let status: u16 = text.split(' ').nth(1).unwrap().parse().unwrap();
        assert!((400..500).contains(&status), "{path}: {text}");
        assert!(!text.contains("root:") && !text.ends_with("secret"), "{path}: {text}");
    }
}

#[test]
fn a_very_long_path_is_refused_and_the_next_request_works() {
    let mortar = start();
    mortar.put("a.jpg", &drawn_jpeg(20, 10));
    let long = format!("/media/{}", "a".repeat(5_000));
    let status = Wire::asking(&mortar, &long).status();
    assert!((400..500).contains(&status), "{status}");
    let longer = format!("/media/{}", "a".repeat(200_000));
    let status = Wire::asking(&mortar, &longer).status();
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(mortar.get("/media/a.jpg").status, 200);
}

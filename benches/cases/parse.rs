//! Understanding a URL: path and query into plan, places and key, beside the least that any server does with a URL.

use std::collections::HashMap;
use std::hint::black_box;

use mortar::config;
use mortar::domain::resolve;
use percent_encoding::percent_decode_str;

use crate::paired::{Clock, Pair};

const CALLS: u32 = 2_000;
const ROUNDS: usize = 60;

const CONFIG: &str = r#"
[buckets.media.storages.basic]
kind = "noop"
[buckets.media.storages.transform]
kind = "noop"
[buckets.media.transform]
kind = "presets-query"
path = '^/(?P<presetName>[a-z0-9_]+)/(?P<parent>.+)$'
parent_bucket = "media"
[buckets.media.transform.presets.small.filters.thumbnail]
width = 100
"#;

pub(super) fn run() {
    let config = config::parse(CONFIG, &HashMap::new()).expect("the configuration of this benchmark is right");
    let urls = [
        ("parse: preset in the path", "/media/small/2026/a%20picture.jpg", ""),
        ("parse: query", "/media/2026/a%20picture.jpg", "width=800&height=600&format=webp&quality=80"),
        ("parse: plain object", "/media/a%20picture.jpg", ""),
    ];
    for (name, path, query) in urls {
        let ours = || {
            for _ in 0..CALLS {
                black_box(resolve(&config.routes, black_box(path), black_box(query)).is_ok());
            }
        };
        let bare = || (0..CALLS).for_each(|_| split_and_decode(black_box(path), black_box(query)));
        let pair = Pair::new(name, Clock::Thread, ROUNDS).per(CALLS);
        pair.run(ours, bare);
    }
}

/// Bucket, key and pairs of a URL, percent-decoded; nothing is checked, looked up or hashed.
fn split_and_decode(path: &str, query: &str) {
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let (bucket, key) = decoded[1..].split_once('/').unwrap_or_default();
    black_box((bucket.len(), key.len()));
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or_default();
        black_box((name.len(), percent_decode_str(value).decode_utf8_lossy().len()));
    }
}

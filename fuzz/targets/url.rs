//! Any path and query resolve to the same thing each time, inside a configured bucket, or are refused as the client's
//! mistake.
#![no_main]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use mortar::config;
use mortar::domain::{Buckets, resolve};
use mortar_actors::FaultKind;

/// The buckets of the default configuration.
static BUCKETS: LazyLock<Arc<Buckets>> = LazyLock::new(|| {
    config::parse(config::DEFAULT_CONFIG, &HashMap::new()).expect("the default configuration is sound").routes
});

fuzz_target!(|url: &str| {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    match (resolve(&BUCKETS, path, query), resolve(&BUCKETS, path, query)) {
        (Ok(once), Ok(again)) => {
            assert_eq!(once.object, again.object);
            assert!(BUCKETS.get(once.bucket.name()).is_some());
            let keys = |derived: Option<mortar::domain::Derived>| derived.map(|derived| (derived.key, derived.root));
            assert_eq!(keys(once.derived), keys(again.derived));
        }
        (Err(fault), Err(_)) => {
            let kind = fault.kind();
            assert!(matches!(kind, FaultKind::NotFound | FaultKind::Invalid), "not the client's mistake: {fault:?}");
        }
        _ => panic!("the same URL was understood once"),
    }
});

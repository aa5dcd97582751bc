//! Any configuration is read, or refused with every problem named.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use mortar::config;

fuzz_target!(|text: &str| {
    let environment = HashMap::from([("SECRET".to_owned(), "hunter2".to_owned())]);
    if let Err(problems) = config::parse(text, &environment) {
        assert!(!problems.0.is_empty());
        assert!(!problems.to_string().is_empty());
    }
});

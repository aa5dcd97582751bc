//! Any query is a plan within the limits, or refused as the client's mistake; the order of its parameters is of no
//! account as long as none is repeated.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use mortar::domain::{PlanLimits, parse_plan};
use mortar_actors::FaultKind;

const LIMITS: PlanLimits = PlanLimits { operations: 8, output_side: 4096 };

fuzz_target!(|query: &str| {
    let plan = parse_plan(query, LIMITS);
    if let Err(fault) = &plan {
        assert_eq!(fault.kind(), FaultKind::Invalid);
    }
    let mut parameters: Vec<&str> = query.split('&').collect();
    let mut names = HashSet::new();
    // An escape may hide that two names are equal.
    if query.contains('%') || !parameters.iter().all(|pair| names.insert(pair.split('=').next())) {
        return;
    }
    parameters.reverse();
    let reversed = parse_plan(&parameters.join("&"), LIMITS);
    match (plan, reversed) {
        (Ok(plan), Ok(reversed)) => assert_eq!(plan, reversed),
        (Err(_), Err(_)) => {}
        (plan, reversed) => panic!("{plan:?} in one order, {reversed:?} in the other"),
    }
});

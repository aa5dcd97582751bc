//! The debug header: what was understood, under which keys, who answered and how long it took.

use serde::Serialize;

use crate::domain::plan::Plan;
use crate::domain::{Derived, Location, Resolved};
use crate::pipeline::{Served, Stage, Tier};

/// How an answer was come by. Made only when a request asks for it.
#[derive(Debug, Serialize)]
pub(super) struct Explanation<'a> {
    plan: &'a Plan,
    key: &'a str,
    result: Place<'a>,
    original: Place<'a>,
    check_parent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<Tier>,
    stages: &'a [Stage],
}

#[derive(Debug, Serialize)]
struct Place<'a> {
    storage: &'a str,
    key: &'a str,
}

impl<'a> Explanation<'a> {
    pub(super) fn new(resolved: &'a Resolved, derived: &'a Derived, served: Option<&'a Served>) -> Self {
        Self {
            plan: &derived.plan,
            key: derived.key.as_str(),
            result: Place::of(&resolved.object),
            original: Place::of(&derived.root),
            check_parent: derived.check_parent,
            tier: served.map(|served| served.tier),
            stages: served.map_or(&[], |served| &served.stages),
        }
    }

    /// One line of JSON in ASCII, fit for a header.
    pub(super) fn to_json(&self) -> String {
        let json = serde_json::to_string(self).expect("an explanation has only text keys");
        json.chars().fold(String::with_capacity(json.len()), |mut ascii, char| {
            match char {
                ' '..='~' => ascii.push(char),
                other => {
                    let mut units = [0; 2];
                    for unit in other.encode_utf16(&mut units) {
                        ascii.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
            ascii
        })
    }
}

impl<'a> Place<'a> {
    fn of(location: &'a Location) -> Self {
        Self { storage: location.store.as_str(), key: location.key.as_str() }
    }
}

//! Logging belongs to the whole process, so this promise has a process of its own.

use mortar::telemetry::{self, LogFormat, LogSettings};

#[test]
fn starting_twice_with_nonsense_fails_nothing_and_panics_go_on_being_survived() {
    let settings = LogSettings { format: LogFormat::Json, filter: "mortar=loud".to_owned() };
    telemetry::start(&settings);
    telemetry::start(&LogSettings { format: LogFormat::Human, ..settings });
    let outcome = std::panic::catch_unwind(|| panic!("scripted"));
    assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"scripted"));
}

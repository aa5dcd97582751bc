//! The allocator of the real program.

mod harness;

use std::fs;

use harness::{Mortar, wait_for};

/// Without its thread, what a burst of renders has freed stays with the process until the next burst.
#[test]
fn memory_goes_back_to_the_system_without_further_requests() {
    let mortar = Mortar::start();
    let threads = format!("/proc/{}/task", mortar.id());
    wait_for("the allocator's thread", || {
        let mut threads = fs::read_dir(&threads).unwrap().flatten();
        let name = |thread: &fs::DirEntry| fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        threads.any(|thread| name(&thread).starts_with("jemalloc_bg")).then_some(())
    });
}

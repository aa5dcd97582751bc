use std::time::{Duration, Instant};

use crate::stats::Detail;
use crate::tree::Tree;

/// How long a condition may take to come true before the test fails, by the wall clock.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lets other tasks and threads work until `condition` holds. It never idles, so a paused clock stands still meanwhile.
///
/// # Panics
/// When the condition does not come true within 20 s.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}

/// Waits for the tree to come to rest and asserts that nothing is left behind: no message, no work, no permit, no
/// flight, no result to be stored.
///
/// # Panics
/// When something is left behind for 20 s.
pub async fn assert_clean(tree: &Tree) {
    eventually("the tree is clean", || leftovers(tree).is_empty()).await;
}

fn leftovers(tree: &Tree) -> Vec<String> {
    let mut left = Vec::new();
    for child in tree.stats().children {
        let mut note = |what: &str, amount: u64| {
            if amount > 0 {
                left.push(format!("{}: {amount} {what}", child.name));
            }
        };
        note("queued", child.counts.queued);
        note("running", child.counts.running);
        for gate in &child.gates {
            note(gate.name, gate.held);
            note("waiting to enter", gate.waiting as u64);
        }
        match child.detail {
            Some(Detail::Lock(lock)) => note("flights", lock.live as u64),
            Some(Detail::Transform(transform)) => note("stuck renders", transform.stuck as u64),
            Some(Detail::StoreBack(back)) => note("results to store", (back.queued + back.writing) as u64),
            _ => {}
        }
    }
    left
}

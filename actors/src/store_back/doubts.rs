use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::epoch::Doubt;
use crate::vocab::{ObjectKey, StoreId};

/// Most results in doubt. Beyond that the oldest is taken for outdated: it can be made again.
const MOST: usize = 10_000;

/// A stored result of which nobody can tell yet whether its original was replaced at another instance.
pub(super) struct Doubtful {
    pub(super) store: StoreId,
    pub(super) key: ObjectKey,
    pub(super) doubt: Doubt,
}

/// The results in doubt, the oldest first. They outlive the task that looks after them.
#[derive(Default)]
pub(super) struct Doubts {
    line: Mutex<VecDeque<Doubtful>>,
    arrived: Notify,
}

impl Doubts {
    /// Adds one; hands back the oldest when there are too many.
    pub(super) fn add(&self, doubtful: Doubtful) -> Option<Doubtful> {
        let mut line = self.line();
        line.push_back(doubtful);
        let displaced = if line.len() > MOST { line.pop_front() } else { None };
        drop(line);
        self.arrived.notify_one();
        displaced
    }

    /// Waits for the oldest, and takes it out.
    pub(super) async fn next(&self) -> Doubtful {
        loop {
            if let Some(oldest) = self.line().pop_front() {
                return oldest;
            }
            self.arrived.notified().await;
        }
    }

    /// Puts one back that was taken out, at the beginning.
    pub(super) fn put_off(&self, doubtful: Doubtful) {
        self.line().push_front(doubtful);
    }

    pub(super) fn len(&self) -> usize {
        self.line().len()
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<Doubtful>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Epoch;

    #[test]
    fn beyond_the_most_the_oldest_is_handed_back() {
        let doubtful = |number: usize| Doubtful {
            store: StoreId::new("results"),
            key: ObjectKey::new(number.to_string()),
            doubt: Epoch::endless().commit().expect("such an epoch never ends").in_doubt(),
        };
        let doubts = Doubts::default();
        assert!((0..MOST).all(|number| doubts.add(doubtful(number)).is_none()));
        let displaced = doubts.add(doubtful(MOST)).expect("there are too many");
        assert_eq!((displaced.key.as_str(), doubts.len()), ("0", MOST));
    }
}

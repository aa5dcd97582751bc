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

/// The results in doubt, about the oldest first. They outlive the task that looks after them.
#[derive(Default)]
pub(super) struct Doubts {
    line: Mutex<VecDeque<Doubtful>>,
    arrived: Notify,
}

/// A result in doubt that is being looked at. Dropped, it goes to the end of the line: it is not lost with whoever looks.
pub(super) struct Taken<'a> {
    line: &'a Doubts,
    doubtful: Option<Doubtful>,
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

    /// Waits until there are any.
    pub(super) async fn any(&self) {
        while self.len() == 0 {
            self.arrived.notified().await;
        }
    }

    /// Takes out the first.
    pub(super) fn take(&self) -> Option<Taken<'_>> {
        let doubtful = self.line().pop_front()?;
        Some(Taken { line: self, doubtful: Some(doubtful) })
    }

    pub(super) fn len(&self) -> usize {
        self.line().len()
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<Doubtful>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    pub(super) fn doubtful(&self) -> &Doubtful {
        self.doubtful.as_ref().expect("only settling and dropping take it")
    }

    /// It is in doubt no more.
    pub(super) fn settle(mut self) {
        drop(self.doubtful.take());
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(doubtful) = self.doubtful.take() {
            self.line.line().push_back(doubtful);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Epoch;

    fn doubtful(number: usize) -> Doubtful {
        Doubtful {
            store: StoreId::new("results"),
            key: ObjectKey::new(number.to_string()),
            doubt: Epoch::endless().commit().expect("such an epoch never ends").in_doubt(),
        }
    }

    #[test]
    fn what_was_looked_at_and_not_settled_goes_to_the_end() {
        let doubts = Doubts::default();
        assert!((0..3).all(|number| doubts.add(doubtful(number)).is_none()));
        doubts.take().expect("there are three").settle();
        drop(doubts.take());
        let first = doubts.take().expect("there are two");
        assert_eq!((first.doubtful().key.as_str(), doubts.len()), ("2", 1));
    }

    #[test]
    fn beyond_the_most_the_oldest_is_handed_back() {
        let doubts = Doubts::default();
        assert!((0..MOST).all(|number| doubts.add(doubtful(number)).is_none()));
        let displaced = doubts.add(doubtful(MOST)).expect("there are too many");
        assert_eq!((displaced.key.as_str(), doubts.len()), ("0", MOST));
    }
}

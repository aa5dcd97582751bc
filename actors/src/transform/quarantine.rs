use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::fault::{Fault, FaultKind};
use crate::vocab::{Deadline, Key, Originals};

/// Keys whose render panicked, refused for a while so that a poisonous picture cannot loop.
pub(super) struct Quarantine {
    time: Duration,
    keys: Mutex<LruCache<Key, Deadline>>,
}

impl Quarantine {
    pub(super) fn new(time: Duration, max_keys: usize) -> Self {
        Self { time, keys: Mutex::new(LruCache::new(NonZeroUsize::new(max_keys).unwrap_or(NonZeroUsize::MIN))) }
    }

    /// Refuses a key that is in quarantine.
    pub(super) fn check(&self, key: &Key) -> Result<(), Fault> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = keys.peek(key).copied() else { return Ok(()) };
        if until.has_passed() {
            keys.pop(key);
            return Ok(());
        }
        Err(Fault::new(
            FaultKind::Panicked,
            "this picture failed unexpectedly a moment ago and is not tried for a while",
        )
        .retry_after(until.remaining()))
    }

    /// Takes a key in, in the place of the oldest one when full.
    pub(super) fn take_in(&self, key: Key) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).put(key, Deadline::within(self.time));
    }

    /// Lets out what was derived from originals that have been replaced.
    pub(super) fn let_out(&self, originals: &Originals) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let is_replaced = |key: &&Key| key.original().is_some_and(|original| originals.contains(original));
        let replaced: Vec<_> = keys.iter().map(|(key, _)| key).filter(is_replaced).cloned().collect();
        for key in replaced {
            keys.pop(&key);
        }
    }

    pub(super) fn len(&self) -> usize {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter(|(_, until)| !until.has_passed()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::OriginalId;

    #[tokio::test(start_paused = true)]
    async fn a_picture_that_was_replaced_is_tried_again() {
        let quarantine = Quarantine::new(Duration::from_secs(60), 3);
        let key = |text: &str, original: &str| Key::new(text).of(OriginalId::new(original));
        let (mended, other, of_nothing) = (key("a", "media/a"), key("b", "media/b"), Key::new("c"));
        for key in [&mended, &other, &of_nothing] {
            quarantine.take_in(key.clone());
        }
        quarantine.let_out(&Originals::One(OriginalId::new("media/a")));
        assert!(quarantine.check(&mended).is_ok());
        assert!(quarantine.check(&other).is_err() && quarantine.check(&of_nothing).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_a_key_for_its_time_and_no_longer() {
        let quarantine = Quarantine::new(Duration::from_secs(60), 2);
        quarantine.take_in(Key::new("a"));
        let refusal = quarantine.check(&Key::new("a")).unwrap_err();
        assert_eq!(refusal.kind(), FaultKind::Panicked);
        assert_eq!(refusal.wait_before_retry(), Some(Duration::from_secs(60)));
        assert!(quarantine.check(&Key::new("b")).is_ok());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(quarantine.check(&Key::new("a")).is_ok());
        assert_eq!(quarantine.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn is_bounded_and_lets_the_oldest_go() {
        let quarantine = Quarantine::new(Duration::from_secs(60), 2);
        for key in ["a", "b", "c"] {
            quarantine.take_in(Key::new(key));
        }
        assert_eq!(quarantine.len(), 2);
        assert!(quarantine.check(&Key::new("a")).is_ok());
        assert!(quarantine.check(&Key::new("c")).is_err());
    }
}

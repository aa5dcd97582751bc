use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use super::Mark;
use super::epochs::Table;
use crate::vocab::{Key, OriginalId};

/// The time between two replacements of an original. Cheap to clone.
///
/// What is derived from no original is under an epoch that never ends.
#[derive(Clone)]
pub struct Epoch(pub(super) Option<Arc<State>>);

/// Something is being written under an epoch that had not ended. Whoever ends it waits until this is dropped.
pub struct Commit {
    epoch: Epoch,
    _writing: Option<OwnedRwLockReadGuard<()>>,
}

/// What is known of something that was written under an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its original was not replaced, on this instance or another.
    Stands,
    /// Its original was replaced, or that cannot be ruled out any more.
    Outdated,
    /// The other instances cannot be asked now; it will be known later.
    Unknown,
}

/// Something that was written while the other instances could not be asked. Nobody waits for it.
#[derive(Clone)]
pub struct Doubt {
    epoch: Epoch,
    /// How often announcements had been heard by then.
    heard: u64,
}

/// An entry of the memory level under an epoch. The epoch knows of it until it is dropped.
pub(crate) struct Entered {
    epoch: Epoch,
    number: u64,
}

/// What ended an epoch. A later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Cause {
    /// An old result may have been read from a store. What was rendered is not in doubt.
    Recalled = 1,
    /// Another instance told of it, as one of the other two. Which one it was shows by the mark.
    Told,
    /// The original was replaced.
    Replaced,
}

pub(super) struct State {
    pub(super) original: OriginalId,
    /// Tells it from all others of its table, those of the same original too.
    pub(super) serial: u64,
    table: Arc<Table>,
    /// The worst [`Cause`] that ended it; zero until it is over.
    over: AtomicU8,
    /// Begun while the original was closed: nothing outside memory is written under it.
    barren: bool,
    /// Begun when announcements were heard: it is told of every replacement since.
    hears: bool,
    /// Set once, when it is first learnt.
    mark: OnceLock<Mark>,
    commits: Arc<RwLock<()>>,
    entries: Mutex<HashMap<u64, Key>>,
    next_entry: AtomicU64,
}

impl Epoch {
    /// The epoch of what is derived from no original.
    pub fn endless() -> Self {
        Self(None)
    }

    /// Whether the original was replaced since, or what was read of old results is recalled.
    pub fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.is_over())
    }

    /// The mark that instances know the epoch by; `None` when it could not be learnt.
    pub fn mark(&self) -> Option<Mark> {
        self.0.as_ref().map_or(Some(Mark::default()), |state| state.mark.get().copied())
    }

    /// Leave to write what was made under the epoch; `None` when it is over, or nothing is to be kept of it.
    pub fn commit(&self) -> Option<Commit> {
        let Some(state) = &self.0 else { return Some(Commit { epoch: self.clone(), _writing: None }) };
        // Whoever ends the epoch does so first and then waits for this guard, so one of the two sees the other.
        let writing = Arc::clone(&state.commits).try_read_owned().ok()?;
        let kept = !state.barren && !state.is_over();
        kept.then(|| Commit { epoch: self.clone(), _writing: Some(writing) })
    }

    async fn recall(&self) {
        if let Some(state) = &self.0 {
            state.table.recall(&state.original).await;
        }
    }

    /// Tells the epoch of an entry of the memory level.
    pub(crate) fn enter(&self, key: &Key) -> Entered {
        let number = self.0.as_ref().map_or(0, |state| {
            let number = state.next_entry.fetch_add(1, Ordering::Relaxed);
            state.entries().insert(number, key.clone());
            number
        });
        Entered { epoch: self.clone(), number }
    }
}

impl Commit {
    /// Whether the original has been replaced meanwhile, on this instance or another.
    pub async fn verdict(&self) -> Verdict {
        let Some(state) = &self.epoch.0 else { return Verdict::Stands };
        state.verdict(state.table.heard()).await
    }

    /// Leaves it open whether what was written stands.
    pub fn in_doubt(self) -> Doubt {
        let heard = self.epoch.0.as_ref().map_or(0, |state| state.table.heard());
        Doubt { epoch: self.epoch.clone(), heard }
    }

    /// To be called when what was written did not stand and was removed again. Somebody may have read it before, so what
    /// was begun since the original was replaced ends everywhere.
    pub async fn recall(self) {
        self.epoch.recall().await;
    }
}

impl Doubt {
    /// Whether the original has been replaced meanwhile, as far as that is known by now.
    pub async fn verdict(&self) -> Verdict {
        let Some(state) = &self.epoch.0 else { return Verdict::Stands };
        state.verdict(self.heard).await
    }

    /// As [`Commit::recall`].
    pub async fn recall(&self) {
        self.epoch.recall().await;
    }
}

impl Entered {
    pub(crate) fn is_over(&self) -> bool {
        self.epoch.is_over()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(state) = &self.epoch.0 {
            let entry = state.entries().remove(&self.number);
            drop(entry);
        }
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let original = self.0.as_ref().map(|state| &state.original);
        f.debug_struct("Epoch").field("original", &original).field("is_over", &self.is_over()).finish()
    }
}

impl State {
    pub(super) fn new(original: OriginalId, serial: u64, table: Arc<Table>, barren: bool) -> Self {
        let mark = OnceLock::new();
        if table.shared().is_none() {
            mark.get_or_init(Mark::default);
        }
        let hears = table.heard() > 0;
        Self {
            original,
            serial,
            table,
            over: AtomicU8::new(0),
            hears,
            barren,
            mark,
            commits: Arc::default(),
            entries: Mutex::default(),
            next_entry: AtomicU64::new(0),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire) > 0
    }

    /// Whether that, or worse, ended the epoch.
    fn was_ended_by(&self, cause: Cause) -> bool {
        self.over.load(Ordering::Acquire) >= cause as u8
    }

    /// By the marks, where both are known. Where one is not, what was announced counts, once all is heard that was announced
    /// by the time of `heard`; and what may have been missed counts as a replacement.
    ///
    /// The first answer after that time may have been on its way before, and announcements behind it. The next one was
    /// asked for since.
    async fn verdict(&self, heard: u64) -> Verdict {
        if self.was_ended_by(Cause::Replaced) {
            return Verdict::Outdated;
        }
        let shared = self.table.shared();
        let current = match shared {
            Some(shared) => shared.mark(&self.original).await,
            None => None,
        };
        let stands = match (current, self.mark.get()) {
            (Some(current), Some(ours)) => current.is_of_replacement_of(*ours),
            _ if self.was_ended_by(Cause::Told) => false,
            _ if shared.is_none() => true,
            _ if self.table.heard() <= heard + 1 => return Verdict::Unknown,
            _ => self.hears,
        };
        if stands { Verdict::Stands } else { Verdict::Outdated }
    }

    pub(super) fn end(&self, cause: Cause) {
        self.over.fetch_max(cause as u8, Ordering::AcqRel);
    }

    /// Whether the epoch is the one of this mark. The first mark that is learnt is its own.
    pub(super) fn is_of(&self, mark: Mark) -> bool {
        *self.mark.get_or_init(|| mark) == mark
    }

    /// The keys that are in memory under the epoch, for the last time.
    pub(super) fn take_entries(&self) -> Vec<Key> {
        std::mem::take(&mut *self.entries()).into_values().collect()
    }

    /// Waits until nothing is being written under the epoch.
    pub(super) async fn settled(&self) {
        drop(self.commits.write().await);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<u64, Key>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.table.strike_out(&self.original, self.serial);
    }
}

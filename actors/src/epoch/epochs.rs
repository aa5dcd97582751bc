use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use futures::future::join_all;

use super::shared::Shared;
use super::state::{Cause, State};
use super::{Epoch, EpochSettings, SharedEpochs, Token};
use crate::vocab::{Deadline, Key, OriginalId, Originals};
use crate::wait::within;

/// The epochs of all originals that something is derived from at the moment. Cheap to clone.
#[derive(Clone)]
pub struct Epochs(Arc<Table>);

/// Originals of which nothing is kept, until they are reopened. Dropped, they are reopened without telling the other
/// instances.
pub struct Closed {
    epochs: Epochs,
    originals: Arc<Originals>,
    /// What other instances know the new epoch by; `None` when they could not be told, or there are none.
    pub token: Option<Token>,
    /// Whether every write that had begun is over.
    pub settled: bool,
}

pub(super) struct Table {
    live: Mutex<Live>,
    shared: Option<Shared>,
    /// How often it was clear that no announcement was missed.
    heard: AtomicU64,
    /// How memory lets go of an entry whose epoch is over.
    forget: OnceLock<Box<Forget>>,
}

type Forget = dyn Fn(&Key) + Send + Sync;

/// Held weakly: an epoch that nothing is under is as good as gone, and strikes itself out.
///
/// To do so it takes the lock that this lies behind. So whatever is upgraded here is handed out, for it may turn out to
/// be the last hold on its epoch, and is only dropped when the lock is free.
#[derive(Default)]
struct Live {
    epochs: HashMap<OriginalId, Weak<State>>,
    /// Those that are over while something is still under them, by their serial numbers. Each takes itself out.
    over: BTreeMap<u64, (OriginalId, Weak<State>)>,
    /// The serial number of the epoch that begins next.
    next: u64,
    /// Bounded by the replacements under way.
    closed: Vec<Arc<Originals>>,
}

impl Epochs {
    /// No epochs yet. With `shared`, instances agree on them.
    pub fn new(settings: EpochSettings, shared: Option<Arc<dyn SharedEpochs>>) -> Self {
        let shared = shared.map(|port| Shared::new(port, settings));
        Self(Arc::new(Table { live: Mutex::default(), shared, heard: AtomicU64::new(0), forget: OnceLock::new() }))
    }

    /// The epoch of the original of a key, as far as this instance knows. To be entered before anything is read.
    pub fn enter(&self, key: &Key) -> Epoch {
        let Some(original) = key.original() else { return Epoch::endless() };
        let mut live = self.0.live();
        if let Some(state) = live.epochs.get(original).and_then(Weak::upgrade) {
            return Epoch(Some(state));
        }
        let barren = live.is_closed(original);
        let state = Arc::new(State::new(original.clone(), live.next, Arc::clone(&self.0), barren));
        live.next += 1;
        live.epochs.insert(original.clone(), Arc::downgrade(&state));
        Epoch(Some(state))
    }

    /// The same epoch once its mark is learnt; another one when the mark shows that an announcement was missed.
    pub async fn learn_mark(&self, epoch: Epoch, key: &Key) -> Epoch {
        let (Some(state), Some(shared)) = (&epoch.0, self.0.shared()) else { return epoch };
        let Some(mark) = shared.mark(&state.original).await else { return epoch };
        if state.is_of(mark) {
            return epoch;
        }
        tracing::debug!(original = %state.original, "a replacement was missed; what was derived before is dropped");
        self.end_here(&Originals::One(state.original.clone()));
        let fresh = self.enter(key);
        // When it is of yet another mark, that one was learnt after ours.
        fresh.0.as_ref().map(|state| state.is_of(mark));
        fresh
    }

    /// Ends the epochs of originals on this instance, as another one tells it to.
    pub fn end_here(&self, originals: &Originals) {
        self.0.end(originals, Cause::Told);
        let told = self.0.live().worsen(originals, Cause::Told);
        drop(told);
    }

    /// Whatever another instance had announced when the call before this one ended has been told by [`Epochs::end_here`]. To be
    /// called every few seconds; and where announcements may have been missed, not before all epochs are ended.
    pub fn all_is_heard(&self) {
        self.0.heard.fetch_add(1, Ordering::AcqRel);
    }

    /// Ends the epochs of originals everywhere, and waits until nothing is being written here under these and earlier
    /// ones, up to the deadline. Until they are reopened nothing that is derived from them is kept outside memory.
    pub async fn close(&self, originals: Originals, deadline: Deadline) -> Closed {
        let originals = Arc::new(originals);
        self.0.live().closed.push(Arc::clone(&originals));
        // From here on dropping the future reopens them.
        let mut closed = Closed { epochs: self.clone(), originals, token: None, settled: false };
        self.0.end(&closed.originals, Cause::Replaced);
        let ended = self.0.live().worsen(&closed.originals, Cause::Replaced);
        closed.token = match self.0.shared() {
            Some(shared) => shared.end(&closed.originals).await,
            None => None,
        };
        closed.settled = within(deadline, join_all(ended.iter().map(|state| state.settled()))).await.is_ok();
        closed
    }

    /// Originals that something is derived from at the moment.
    pub fn live(&self) -> usize {
        self.0.live().epochs.len()
    }

    /// How memory lets go of an entry whose epoch is over. Only the first way is taken.
    pub(crate) fn on_end(&self, forget: impl Fn(&Key) + Send + Sync + 'static) {
        drop(self.0.forget.set(Box::new(forget)));
    }
}

impl Closed {
    /// Ends what began meanwhile, everywhere. From now on what is derived is kept again. `false` when there are other
    /// instances and they could not be told.
    pub async fn reopen(self) -> bool {
        let Some(shared) = self.epochs.0.shared() else { return true };
        match self.token {
            Some(_) => shared.recall(&self.originals).await,
            // They do not even know of the replacement.
            None => shared.end(&self.originals).await.is_some(),
        }
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let table = &self.epochs.0;
        table.live().closed.retain(|closed| !Arc::ptr_eq(closed, &self.originals));
        table.end(&self.originals, Cause::Recalled);
    }
}

impl Table {
    pub(super) fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    /// Ends the epoch of an original everywhere, since an old result may have been read, unless it is closed: then that
    /// is done when it is reopened.
    pub(super) async fn recall(&self, original: &OriginalId) {
        if self.live().is_closed(original) {
            return;
        }
        let original = Originals::One(original.clone());
        self.end(&original, Cause::Recalled);
        if let Some(shared) = self.shared() {
            shared.recall(&original).await;
        }
    }

    /// Ends epochs and has memory forget what is under them.
    fn end(&self, originals: &Originals, cause: Cause) {
        let ended = self.live().end(originals, cause);
        for key in ended.iter().flat_map(|state| state.take_entries()) {
            if let Some(forget) = self.forget.get() {
                forget(&key);
            }
        }
    }

    /// Strikes out an epoch that nothing is under, unless another one has taken its place.
    pub(super) fn strike_out(&self, original: &OriginalId, serial: u64) {
        let mut live = self.live();
        if live.over.remove(&serial).is_some() {
            return;
        }
        if live.epochs.get(original).is_some_and(|state| state.strong_count() == 0) {
            live.epochs.remove(original);
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn is_closed(&self, original: &OriginalId) -> bool {
        self.closed.iter().any(|closed| closed.contains(original))
    }

    fn end(&mut self, originals: &Originals, cause: Cause) -> Vec<Arc<State>> {
        let ended: Vec<_> = match originals {
            Originals::One(original) => self.epochs.remove(original).into_iter().collect(),
            several @ Originals::Beginning(_) => {
                self.epochs.extract_if(|original, _| several.contains(original)).map(|(_, state)| state).collect()
            }
        };
        let ended: Vec<_> = ended.iter().filter_map(Weak::upgrade).collect();
        ended.iter().for_each(|state| state.end(cause));
        let over = |state: &Arc<State>| (state.serial, (state.original.clone(), Arc::downgrade(state)));
        self.over.extend(ended.iter().map(over));
        ended
    }

    /// Every epoch of before that something is under yet, whatever ended it. Now this did, if it is worse.
    fn worsen(&self, originals: &Originals, cause: Cause) -> Vec<Arc<State>> {
        let over = self.over.values().filter(|(original, _)| originals.contains(original));
        let worsened: Vec<_> = over.filter_map(|(_, state)| state.upgrade()).collect();
        worsened.iter().for_each(|state| state.end(cause));
        worsened
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn alone() -> Epochs {
        Epochs::new(EpochSettings::default(), None)
    }

    fn enter(epochs: &Epochs, original: &OriginalId) -> Epoch {
        epochs.enter(&Key::new("result").of(original.clone()))
    }

    fn all() -> Originals {
        Originals::Beginning("media/".into())
    }

    /// Somebody who closes an original must never be the last to hold an epoch of another one: letting go of it under
    /// the lock would wait for that lock.
    ///
    /// Red when `Live::worsen` upgrades what is over before it looks whose it is.
    #[test]
    fn an_epoch_may_be_left_while_another_original_is_closed() {
        // It takes long to tell such names apart, so that the one thread is at it when the other leaves the epoch.
        let name = |end: char| OriginalId::new(format!("media/{}{end}", "x".repeat(4 << 20)));
        let (closed, other) = (name('a'), name('b'));
        for _ in 0..8 {
            let epochs = alone();
            let (kept, left) = (enter(&epochs, &closed), enter(&epochs, &other));
            epochs.end_here(&all());
            let (begins, begun) = mpsc::channel();
            let (ends, ended) = mpsc::channel();
            let (closing, originals) = (epochs.clone(), Originals::One(closed.clone()));
            thread::spawn(move || {
                begins.send(()).unwrap();
                let replaced = closing.0.live().worsen(&originals, Cause::Replaced);
                ends.send(replaced.len()).unwrap();
            });
            begun.recv().unwrap();
            drop(left);
            assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Ok(1), "it hangs, or found others");
            drop(kept);
        }
    }

    #[test]
    fn nothing_is_known_of_epochs_that_are_over_once_nothing_is_under_them() {
        let epochs = alone();
        let originals: Vec<_> = (0..1000).map(|number| OriginalId::new(format!("media/{number}"))).collect();
        let mut held: Vec<_> = originals.iter().map(|original| enter(&epochs, original)).collect();
        epochs.end_here(&all());
        let known = || (epochs.live(), epochs.0.live().over.len());
        assert_eq!(known(), (0, 1000));
        held.truncate(400);
        assert_eq!(known(), (0, 400), "though nothing ends any more");
        let fresh = enter(&epochs, &originals[0]);
        drop(held);
        assert_eq!(known(), (1, 0), "the one that is not over stays");
        drop(fresh);
        assert_eq!(known(), (0, 0));
    }

    #[test]
    fn closing_finds_every_epoch_of_an_original_that_something_is_under() {
        let epochs = alone();
        let [closed, other] = ["media/a", "media/b"].map(OriginalId::new);
        let mut held = Vec::new();
        for original in [&closed, &other, &closed, &closed] {
            held.push(enter(&epochs, original));
            epochs.end_here(&Originals::One(original.clone()));
        }
        drop(held.pop());
        let replaced = epochs.0.live().worsen(&Originals::One(closed.clone()), Cause::Replaced);
        assert_eq!(replaced.iter().map(|state| state.serial).collect::<Vec<_>>(), [0, 2]);
    }
}

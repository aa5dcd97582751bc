//! What is right: which version of an original may be answered, and that nothing is made twice at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use mortar_actors::Key;
use mortar_actors::epoch::Epoch;

/// What happened in a schedule, and what of it was wrong.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    versions: HashMap<String, Version>,
    runs: HashMap<Key, Vec<(u64, Epoch)>>,
    runs_begun: u64,
    tally: Tally,
    wrongs: Vec<String>,
}

#[derive(Clone, Copy, Default)]
struct Version {
    /// The last one written.
    written: u64,
    /// The last one whose writer has been told that it is done: whoever asks from then on gets no older one.
    settled: u64,
}

/// How often things happened, by what they are called.
pub(crate) type Tally = BTreeMap<String, u64>;

/// One run of an errand, until it ends or is dropped.
pub(crate) struct Run {
    ledger: Ledger,
    key: Key,
    number: u64,
}

impl Ledger {
    /// Something that must not be.
    pub(crate) fn wrong(&self, what: String) {
        self.entries().wrongs.push(what);
    }

    /// Everything that must not be and was.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.entries().wrongs.clone()
    }

    /// Everything that happened.
    pub(crate) fn tally(&self) -> Tally {
        self.entries().tally.clone()
    }

    pub(crate) fn count(&self, what: impl Into<String>, times: u64) {
        *self.entries().tally.entry(what.into()).or_default() += times;
    }

    /// The next version of an original is being written: its bytes.
    pub(crate) fn write(&self, original: &str) -> Bytes {
        let mut entries = self.entries();
        let version = entries.versions.entry(original.to_owned()).or_default();
        version.written += 1;
        format!("{original}@{}", version.written).into()
    }

    /// The last version that was written has taken the place of all others.
    pub(crate) fn settle(&self, original: &str) {
        let mut entries = self.entries();
        let version = entries.versions.entry(original.to_owned()).or_default();
        version.settled = version.written;
    }

    /// The oldest version that whoever asks now may get.
    pub(crate) fn settled(&self, original: &str) -> u64 {
        self.entries().versions.get(original).map_or(0, |version| version.settled)
    }

    /// Whether these are the bytes of that plan of an original, of the version `oldest` or a newer one.
    pub(crate) fn is_right(&self, body: &[u8], plan: &str, original: &str, oldest: u64) -> bool {
        let beginning = format!("{plan} of {original}@");
        let version = std::str::from_utf8(body).ok().and_then(|text| text.strip_prefix(&beginning)?.parse().ok());
        let written = self.entries().versions.get(original).map_or(0, |version| version.written);
        version.is_some_and(|version| (oldest..=written).contains(&version))
    }

    /// A run for a key begins. No other may be under way under the same epoch. One under an epoch that is over, if it
    /// began late, is for those who waited for it before.
    pub(crate) fn run(&self, key: &Key, epoch: &Epoch) -> Run {
        let mut entries = self.entries();
        entries.runs_begun += 1;
        let number = entries.runs_begun;
        let runs = entries.runs.entry(key.clone()).or_default();
        let others = runs.iter().filter(|(_, other)| !other.is_over()).count();
        runs.push((number, epoch.clone()));
        if others > 0 && !epoch.is_over() {
            entries.wrongs.push(format!("{key} is made {} times at once", others + 1));
        }
        drop(entries);
        Run { ledger: self.clone(), key: key.clone(), number }
    }

    /// Runs under way.
    pub(crate) fn runs(&self) -> usize {
        self.entries().runs.values().map(Vec::len).sum()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut entries = self.ledger.entries();
        let ended = entries.runs.get_mut(&self.key).and_then(|runs| {
            let place = runs.iter().position(|(number, _)| *number == self.number)?;
            Some(runs.swap_remove(place))
        });
        drop(entries);
        drop(ended);
    }
}

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use super::{FakeEpochs, Gauge, Script};
use crate::cache::SharedCache;
use crate::epoch::Mark;
use crate::fault::Fault;
use crate::vocab::{Key, Rendition};

/// A shared cache level that keeps everything for ever, and does as told.
#[derive(Default)]
pub struct FakeSharedCache {
    entries: Mutex<HashMap<Key, Entry>>,
    marks: Option<Arc<FakeEpochs>>,
    script: Mutex<Script>,
    /// Operations begun.
    pub operations: Gauge,
    /// Operations under way.
    pub running: Gauge,
}

struct Entry {
    rendition: Arc<Rendition>,
    time_to_live: Duration,
    mark: Mark,
}

impl FakeSharedCache {
    /// An empty level that works. It does not look at marks.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// An empty level that works, and finds nothing whose mark is not that of its original.
    pub fn minding(marks: &Arc<FakeEpochs>) -> Arc<Self> {
        Arc::new(Self { marks: Some(Arc::clone(marks)), ..Self::default() })
    }

    /// What operations do from now on.
    pub fn script(&self, script: Script) {
        *self.script.lock().expect("no test panics inside a fake") = script;
    }

    /// The entry for a key, if there is one.
    pub fn entry(&self, key: &Key) -> Option<Arc<Rendition>> {
        self.entries().get(key).map(|entry| Arc::clone(&entry.rendition))
    }

    /// Puts an entry behind the cache's back.
    pub fn keep(&self, key: Key, rendition: Arc<Rendition>, time_to_live: Duration) {
        self.entries().insert(key, Entry { rendition, time_to_live, mark: Mark::default() });
    }

    fn is_current(&self, key: &Key, entry: &Entry) -> bool {
        let current = self.marks.as_ref().zip(key.original()).map(|(marks, original)| marks.current(original));
        current.is_none_or(|mark| mark == entry.mark)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().expect("no test panics inside a fake")
    }

    async fn play(&self) -> Result<(), Fault> {
        self.operations.increment();
        let _running = self.running.count();
        let script = self.script.lock().expect("no test panics inside a fake").clone();
        script.play().await
    }
}

#[async_trait]
impl SharedCache for FakeSharedCache {
    async fn get(&self, key: &Key) -> Result<Option<(Arc<Rendition>, Duration)>, Fault> {
        self.play().await?;
        let entries = self.entries();
        let found = entries.get(key).filter(|entry| self.is_current(key, entry));
        Ok(found.map(|entry| (Arc::clone(&entry.rendition), entry.time_to_live)))
    }

    async fn put(&self, key: &Key, rendition: &Rendition, time_to_live: Duration, mark: Mark) -> Result<bool, Fault> {
        self.play().await?;
        self.entries().insert(key.clone(), Entry { rendition: Arc::new(rendition.clone()), time_to_live, mark });
        Ok(true)
    }

    async fn remove(&self, key: &Key) -> Result<(), Fault> {
        self.play().await?;
        self.entries().remove(key);
        Ok(())
    }
}

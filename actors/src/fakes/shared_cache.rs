use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::{Gauge, Script};
use crate::cache::SharedCache;
use crate::epoch::Mark;
use crate::fault::Fault;
use crate::vocab::{Key, Rendition};

/// A shared cache level that keeps everything for ever, and does as told.
#[derive(Default)]
pub struct FakeSharedCache {
    entries: Mutex<HashMap<Key, (Arc<Rendition>, Duration)>>,
    script: Mutex<Script>,
    /// Operations begun.
    pub operations: Gauge,
    /// Operations under way.
    pub running: Gauge,
}

impl FakeSharedCache {
    /// An empty level that works.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What operations do from now on.
    pub fn script(&self, script: Script) {
        *self.script.lock().expect("no test panics inside a fake") = script;
    }

    /// The entry for a key, if there is one.
    pub fn entry(&self, key: &Key) -> Option<Arc<Rendition>> {
        self.entries.lock().expect("no test panics inside a fake").get(key).map(|(entry, _)| Arc::clone(entry))
    }

    /// Puts an entry behind the cache's back.
    pub fn keep(&self, key: Key, entry: Arc<Rendition>, time_to_live: Duration) {
        self.entries.lock().expect("no test panics inside a fake").insert(key, (entry, time_to_live));
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
        Ok(self.entries.lock().expect("no test panics inside a fake").get(key).cloned())
    }

    async fn put(&self, key: &Key, entry: &Rendition, time_to_live: Duration, _mark: Mark) -> Result<bool, Fault> {
        self.play().await?;
        self.keep(key.clone(), Arc::new(entry.clone()), time_to_live);
        Ok(true)
    }

    async fn remove(&self, key: &Key) -> Result<(), Fault> {
        self.play().await?;
        self.entries.lock().expect("no test panics inside a fake").remove(key);
        Ok(())
    }
}

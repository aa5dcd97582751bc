use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::doubts::Doubts;
use super::{StoreBackItem, StoreBackStats};
use crate::stats::Detail;
use crate::supervise::Observe;

/// Results waiting to be written, bounded by number and bytes. It outlives the task that writes.
pub(super) struct Queue {
    max_items: usize,
    max_bytes: u64,
    line: Mutex<Line>,
    pub(super) doubts: Doubts,
    arrived: Notify,
    emptied: Notify,
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    outdated: AtomicU64,
    lost: AtomicU64,
}

#[derive(Default)]
struct Line {
    items: VecDeque<Queued>,
    bytes: u64,
    writing: usize,
}

/// A result that waits, and whoever waits for it.
pub(super) struct Queued {
    pub(super) item: StoreBackItem,
    pub(super) told: oneshot::Sender<bool>,
}

/// The outcome of a result that is being written. Dropped untold, the result is lost, as by a panic.
pub(super) struct Outcome {
    queue: Arc<Queue>,
    /// Whoever waits for it; empty once told.
    waiting: Option<oneshot::Sender<bool>>,
}

/// What became of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Written,
    Failed,
    /// Its original was replaced.
    Outdated,
}

impl Queue {
    pub(super) fn new(max_items: usize, max_bytes: u64) -> Self {
        Self {
            max_items,
            max_bytes,
            line: Mutex::default(),
            doubts: Doubts::default(),
            arrived: Notify::new(),
            emptied: Notify::new(),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            outdated: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// Puts an item at the end and drops from the front what no longer fits. An item that could never fit is dropped
    /// by itself.
    pub(super) fn push(&self, item: Queued) {
        if item.bytes() > self.max_bytes || self.max_items == 0 {
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        let mut line = self.line();
        line.bytes += item.bytes();
        line.items.push_back(item);
        let mut displaced = Vec::new();
        while line.items.len() > self.max_items || line.bytes > self.max_bytes {
            let Some(oldest) = line.items.pop_front() else { break };
            line.bytes -= oldest.bytes();
            displaced.push(oldest);
        }
        drop(line);
        self.dropped.fetch_add(displaced.len() as u64, Relaxed);
        self.arrived.notify_one();
    }

    /// Waits for the next item. Dropping the future loses nothing.
    pub(super) async fn next(self: &Arc<Self>) -> (StoreBackItem, Outcome) {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.arrived.notified().await;
        }
    }

    fn take(self: &Arc<Self>) -> Option<(StoreBackItem, Outcome)> {
        let mut line = self.line();
        let next = line.items.pop_front()?;
        line.bytes -= next.bytes();
        line.writing += 1;
        Some((next.item, Outcome { queue: Arc::clone(self), waiting: Some(next.told) }))
    }

    /// Waits until nothing is queued or being written.
    pub(super) async fn idle(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.line().is_idle() {
                return;
            }
            emptied.await;
        }
    }

    /// Counts a result that was written, and taken back.
    pub(super) fn count_outdated(&self) {
        self.outdated.fetch_add(1, Relaxed);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn is_idle(&self) -> bool {
        self.items.is_empty() && self.writing == 0
    }
}

impl Queued {
    fn bytes(&self) -> u64 {
        self.item.rendition.weight()
    }
}

impl Outcome {
    pub(super) fn tell(mut self, ending: Ending) {
        if let Some(waiting) = self.waiting.take() {
            // Mostly nobody waits to hear it.
            waiting.send(ending == Ending::Written).ok();
        }
        let counter = match ending {
            Ending::Written => &self.queue.written,
            Ending::Failed => &self.queue.failed,
            Ending::Outdated => &self.queue.outdated,
        };
        counter.fetch_add(1, Relaxed);
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if self.waiting.is_some() {
            self.queue.lost.fetch_add(1, Relaxed);
        }
        let mut line = self.queue.line();
        line.writing -= 1;
        if line.is_idle() {
            self.queue.emptied.notify_waiters();
        }
    }
}

impl Observe for Queue {
    fn detail(&self) -> Detail {
        let line = self.line();
        Detail::StoreBack(StoreBackStats {
            queued: line.items.len(),
            queued_bytes: line.bytes,
            writing: line.writing,
            doubtful: self.doubts.len(),
            written: self.written.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            failed: self.failed.load(Relaxed),
            outdated: self.outdated.load(Relaxed),
            lost: self.lost.load(Relaxed),
        })
    }
}

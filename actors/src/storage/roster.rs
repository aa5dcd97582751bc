use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;

use super::client::Client;
use super::{Reachability, StorageStats};
use crate::gate::Gate;
use crate::stats::Detail;
use crate::supervise::Observe;

/// The list of clients that the actor publishes, so that looking at it costs the actor nothing.
pub(super) struct Roster {
    pub(super) counters: Arc<Counters>,
    max_clients: usize,
    /// Full while every further read is refused.
    reads: Gate,
    clients: ArcSwap<Vec<Arc<Client>>>,
}

/// What happened to clients since the start.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) opened: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) idle_closed: AtomicU64,
    pub(super) unhealthy_closed: AtomicU64,
}

impl Roster {
    pub(super) fn new(max_clients: usize, reads: Gate) -> Self {
        Self { counters: Arc::default(), max_clients, reads, clients: ArcSwap::default() }
    }

    pub(super) fn publish(&self, clients: Vec<Arc<Client>>) {
        self.clients.store(Arc::new(clients));
    }

    pub(super) fn reachable(&self) -> Reachability {
        let clients = self.clients.load();
        let failing: Vec<_> =
            clients.iter().filter(|client| client.is_failing()).map(|client| client.id().to_string()).collect();
        Reachability { answering: clients.len() - failing.len(), failing }
    }
}

impl Observe for Roster {
    fn detail(&self) -> Detail {
        Detail::Storage(StorageStats {
            max_clients: self.max_clients,
            opened: self.counters.opened.load(Relaxed),
            evicted: self.counters.evicted.load(Relaxed),
            idle_closed: self.counters.idle_closed.load(Relaxed),
            unhealthy_closed: self.counters.unhealthy_closed.load(Relaxed),
            clients: self.clients.load().iter().map(|client| client.stats()).collect(),
        })
    }

    fn reasons(&self) -> Vec<String> {
        self.reads.is_full().then(|| "storage is saturated".to_owned()).into_iter().collect()
    }
}

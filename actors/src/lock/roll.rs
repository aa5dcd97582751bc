use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::LockStats;
use super::flight::Flight;
use super::leased::Leased;
use crate::gate::Gate;
use crate::stats::Detail;
use crate::supervise::Observe;
use crate::vocab::Key;

/// Who is in the air. The actor enters flights, each flight leaves by itself; the roll outlives the actor, so a rebuilt
/// one goes on where the old one fell.
///
/// It holds flights weakly: a flight that ended in any way is as good as gone.
pub(super) struct Roll<T> {
    flights: Mutex<HashMap<Key, Weak<Flight<T>>>>,
    lease: Arc<Leased>,
    /// Full while every further flight is refused.
    gate: Gate,
    started: AtomicU64,
    joined: AtomicU64,
    abandoned: AtomicU64,
}

impl<T> Roll<T> {
    pub(super) fn new(lease: Arc<Leased>, gate: Gate) -> Self {
        Self {
            flights: Mutex::default(),
            lease,
            gate,
            started: AtomicU64::new(0),
            joined: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
        }
    }

    pub(super) fn find(&self, key: &Key) -> Option<Arc<Flight<T>>> {
        self.flights().get(key)?.upgrade()
    }

    pub(super) fn joined(&self) {
        self.joined.fetch_add(1, Relaxed);
    }

    pub(super) fn abandoned(&self) {
        self.abandoned.fetch_add(1, Relaxed);
    }

    /// Strikes out the flights that ended without leaving.
    pub(super) fn strike_out_ended(&self) {
        self.flights().retain(|_, flight| flight.strong_count() > 0);
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Weak<Flight<T>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Send + Sync + 'static> Roll<T> {
    /// Enters a flight, in the place of one for the same key that is about to end.
    pub(super) fn enter(&self, flight: &Arc<Flight<T>>) {
        self.started.fetch_add(1, Relaxed);
        self.flights().insert(flight.key().clone(), Arc::downgrade(flight));
    }

    /// Strikes out a flight, unless another one has taken its place.
    pub(super) fn leave(&self, flight: &Arc<Flight<T>>) {
        let mut flights = self.flights();
        let is_itself = |entered: &Weak<Flight<T>>| std::ptr::eq(entered.as_ptr(), Arc::as_ptr(flight));
        if flights.get(flight.key()).is_some_and(is_itself) {
            flights.remove(flight.key());
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Observe for Roll<T> {
    fn detail(&self) -> Detail {
        let flights: Vec<_> = self.flights().values().filter_map(Weak::upgrade).collect();
        Detail::Lock(LockStats {
            live: flights.len(),
            waiters: flights.iter().map(|flight| flight.waiters()).sum(),
            started: self.started.load(Relaxed),
            joined: self.joined.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            answered_elsewhere: self.lease.answered_elsewhere(),
            leases_lost: self.lease.lost(),
            lease_faults: self.lease.faults(),
            lease_resting: self.lease.is_resting(),
        })
    }

    fn reasons(&self) -> Vec<String> {
        self.gate.is_full().then(|| "lock is saturated".to_owned()).into_iter().collect()
    }
}

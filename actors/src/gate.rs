//! Admission: nothing starts, queues or is buffered without a permit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::Instant;

use crate::fault::{Fault, FaultKind};
use crate::vocab::Deadline;
use crate::wait::within;

/// What a refused requester is told to wait before asking again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A bound on work, by count or by bytes. Cheap to clone; all clones are one gate.
///
/// A permit is held as long as the work lasts, so the bound covers queued and running work alike.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    unit: Unit,
    /// In steps of the unit.
    capacity: u32,
    max_waiting: usize,
    free: Arc<Semaphore>,
    /// In steps of the unit. The semaphore cannot tell: it sets free steps aside for whoever waits for more of them.
    held: AtomicU64,
    waiting: AtomicUsize,
    waited_micros: AtomicU64,
    admitted: AtomicU64,
    refused: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    One,
    /// Bytes are counted in steps of 1 KiB, rounded up, so that four TiB fit the semaphore's counter.
    Kibibyte,
}

/// The right to do an amount of work. Dropping it gives the amount back.
#[must_use = "dropping the permit gives it back"]
pub struct Permit {
    gate: Arc<Inner>,
    held: OwnedSemaphorePermit,
}

/// A gate at one moment. Amounts are pieces or bytes, as the gate counts.
#[derive(Clone, Debug, Serialize)]
pub struct GateStats {
    /// What it bounds.
    pub name: &'static str,
    /// The most that may be held.
    pub capacity: u64,
    /// What is held now.
    pub held: u64,
    /// Requesters waiting to enter.
    pub waiting: usize,
    /// Microseconds that requesters have waited here in all, whether they entered then or not.
    pub waited_micros: u64,
    /// Entries so far.
    pub admitted: u64,
    /// Refusals so far.
    pub refused: u64,
}

impl Gate {
    /// A gate that admits `capacity` pieces of work at once.
    pub fn counting(name: &'static str, capacity: usize) -> Self {
        Self::new(name, Unit::One, u32::try_from(capacity).unwrap_or(u32::MAX))
    }

    /// A gate that admits `capacity` bytes at once, counted in steps of 1 KiB.
    pub fn bytes(name: &'static str, capacity: u64) -> Self {
        Self::new(name, Unit::Kibibyte, Unit::Kibibyte.steps(capacity).unwrap_or(u32::MAX))
    }

    fn new(name: &'static str, unit: Unit, capacity: u32) -> Self {
        let steps = usize::try_from(capacity).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            name,
            unit,
            capacity,
            max_waiting: usize::MAX,
            free: Arc::new(Semaphore::new(steps)),
            held: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            waited_micros: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    /// Bounds the requesters that wait in [`Gate::enter`]; the next one is refused at once. Without a bound, whoever
    /// enters must be bounded already.
    ///
    /// # Panics
    /// When the gate is shared already.
    #[must_use]
    pub fn waiting_at_most(mut self, requesters: usize) -> Self {
        Arc::get_mut(&mut self.0).expect("a gate is bounded before it is shared").max_waiting = requesters;
        self
    }

    /// Enters at once or not at all.
    ///
    /// # Errors
    /// `Overloaded`, with the time to wait, when there is no room; `TooLarge` when there could never be.
    pub fn try_enter(&self, amount: u64) -> Result<Permit, Fault> {
        let steps = self.steps(amount)?;
        match Arc::clone(&self.0.free).try_acquire_many_owned(steps) {
            Ok(held) => Ok(self.admit(held)),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => Err(self.refuse()),
        }
    }

    /// Enters in turn, waiting for room up to the deadline.
    ///
    /// # Errors
    /// `Overloaded` when too many wait already or the deadline passes first; `TooLarge` as for [`Gate::try_enter`].
    pub async fn enter(&self, amount: u64, deadline: Deadline) -> Result<Permit, Fault> {
        let steps = self.steps(amount)?;
        if let Ok(held) = Arc::clone(&self.0.free).try_acquire_many_owned(steps) {
            return Ok(self.admit(held));
        }
        let Some(_place) = Place::take(&self.0) else { return Err(self.refuse()) };
        match within(deadline, Arc::clone(&self.0.free).acquire_many_owned(steps)).await {
            Ok(Ok(held)) => Ok(self.admit(held)),
            Ok(Err(_)) | Err(_) => Err(self.refuse()),
        }
    }

    /// Counts a requester as waiting while the place lives; for those who keep an order of their own before this gate and
    /// enter with [`Gate::try_enter`]. `None` where too many wait already.
    pub(crate) fn waits_outside(&self) -> Option<Place<'_>> {
        Place::take(&self.0)
    }

    /// The most that may be held, in pieces or bytes.
    pub fn capacity(&self) -> u64 {
        self.0.unit.amount(u64::from(self.0.capacity))
    }

    /// How many pieces it admits; `None` for a gate that counts bytes.
    pub(crate) fn pieces(&self) -> Option<usize> {
        matches!(self.0.unit, Unit::One).then_some(self.0.capacity as usize)
    }

    /// What is held now, in pieces or bytes.
    pub fn held(&self) -> u64 {
        self.0.unit.amount(self.0.held.load(Relaxed))
    }

    /// Whether the next piece or byte would be refused.
    pub fn is_full(&self) -> bool {
        self.0.free.available_permits() == 0
    }

    /// Refuses whoever comes to a full gate, without letting anybody in.
    pub(crate) fn has_room(&self) -> Result<(), Fault> {
        if self.is_full() { Err(self.refuse()) } else { Ok(()) }
    }

    /// Refuses what could never enter, however long it waited.
    ///
    /// # Errors
    /// `TooLarge`, as for [`Gate::try_enter`].
    pub(crate) fn could_admit(&self, amount: u64) -> Result<(), Fault> {
        self.steps(amount).map(drop)
    }

    /// The gate's gauges and counters.
    pub fn stats(&self) -> GateStats {
        GateStats {
            name: self.0.name,
            capacity: self.capacity(),
            held: self.held(),
            waiting: self.0.waiting.load(Relaxed),
            waited_micros: self.0.waited_micros.load(Relaxed),
            admitted: self.0.admitted.load(Relaxed),
            refused: self.0.refused.load(Relaxed),
        }
    }

    fn steps(&self, amount: u64) -> Result<u32, Fault> {
        let steps = self.0.unit.steps(amount).filter(|steps| *steps <= self.0.capacity);
        steps.ok_or_else(|| {
            self.0.refused.fetch_add(1, Relaxed);
            Fault::new(FaultKind::TooLarge, format!("this needs more {} than the server may ever use", self.0.name))
        })
    }

    fn admit(&self, held: OwnedSemaphorePermit) -> Permit {
        self.0.admitted.fetch_add(1, Relaxed);
        self.0.held.fetch_add(held.num_permits() as u64, Relaxed);
        Permit { gate: Arc::clone(&self.0), held }
    }

    fn refuse(&self) -> Fault {
        self.0.refused.fetch_add(1, Relaxed);
        Fault::new(FaultKind::Overloaded, format!("too many {} at once", self.0.name)).retry_after(RETRY_AFTER)
    }
}

impl Permit {
    /// Gives back what is held beyond `amount`; for work that turned out smaller than it might have been.
    pub fn shrink_to(&mut self, amount: u64) {
        let needed = self.gate.unit.steps(amount).map_or(usize::MAX, |steps| steps as usize);
        let excess = self.held.num_permits().saturating_sub(needed);
        if let Some(given_back) = self.held.split(excess) {
            self.gate.held.fetch_sub(excess as u64, Relaxed);
            drop(given_back);
        }
    }
}

impl Unit {
    fn steps(self, amount: u64) -> Option<u32> {
        match self {
            Self::One => u32::try_from(amount).ok(),
            Self::Kibibyte => u32::try_from(amount.div_ceil(1024)).ok(),
        }
    }

    fn amount(self, steps: u64) -> u64 {
        match self {
            Self::One => steps,
            Self::Kibibyte => steps * 1024,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.held.fetch_sub(self.held.num_permits() as u64, Relaxed);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// A place among the waiting; given up when the requester stops waiting, for whatever reason.
pub(crate) struct Place<'a> {
    gate: &'a Inner,
    since: Instant,
}

impl<'a> Place<'a> {
    fn take(gate: &'a Inner) -> Option<Self> {
        let taken = gate.waiting.fetch_update(Relaxed, Relaxed, |n| (n < gate.max_waiting).then_some(n + 1));
        taken.is_ok().then(|| Self { gate, since: Instant::now() })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let waited = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.gate.waited_micros.fetch_add(waited, Relaxed);
        self.gate.waiting.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn soon() -> Deadline {
        Deadline::within(Duration::from_secs(1))
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_those_who_wait_adds_up_whether_they_enter_or_not() {
        let gate = Gate::counting("renders", 1);
        let held = gate.enter(1, soon()).await.unwrap();
        assert_eq!(gate.stats().waited_micros, 0, "the first one did not wait");
        gate.enter(1, soon()).await.unwrap_err();
        let entering = gate.enter(1, soon());
        let leaving = async {
            tokio::time::advance(Duration::from_millis(400)).await;
            drop(held);
        };
        let (entered, ()) = tokio::join!(entering, leaving);
        drop(entered.unwrap());
        assert!((1_400_000..1_410_000).contains(&gate.stats().waited_micros), "{:?}", gate.stats());
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_at_once_when_full_and_admits_again_after_a_drop() {
        let gate = Gate::counting("reads", 2);
        let first = gate.try_enter(1).unwrap();
        let _second = gate.try_enter(1).unwrap();
        let refusal = gate.try_enter(1).unwrap_err();
        assert_eq!(refusal.kind(), FaultKind::Overloaded);
        assert_eq!(refusal.wait_before_retry(), Some(RETRY_AFTER));
        drop(first);
        assert!(gate.try_enter(1).is_ok());
        assert_eq!((gate.stats().admitted, gate.stats().refused), (3, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_never_fit_is_too_large_and_does_not_wait() {
        let gate = Gate::bytes("bytes of bodies", 1 << 20);
        assert_eq!(gate.enter((1 << 20) + 1, soon()).await.unwrap_err().kind(), FaultKind::TooLarge);
        assert_eq!(gate.try_enter(u64::MAX).unwrap_err().kind(), FaultKind::TooLarge);
        let _all = gate.try_enter(1 << 20).unwrap();
        assert_eq!((gate.held(), gate.is_full()), (1 << 20, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_gives_back_what_it_turns_out_not_to_need() {
        let gate = Gate::bytes("bytes of bodies", 8 << 10);
        let mut permit = gate.try_enter(8 << 10).unwrap();
        permit.shrink_to(1025);
        assert_eq!(gate.held(), 2 << 10);
        permit.shrink_to(8 << 10);
        assert_eq!(gate.held(), 2 << 10, "it never grows");
        assert!(gate.try_enter(6 << 10).is_ok());
        drop(permit);
        assert_eq!((gate.held(), gate.is_full()), (0, false));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_up_to_the_deadline_and_no_longer() {
        let gate = Gate::counting("renders", 1);
        let held = gate.try_enter(1).unwrap();
        assert_eq!(gate.enter(1, soon()).await.unwrap_err().kind(), FaultKind::Overloaded);
        let waiting = gate.enter(1, soon());
        let (entered, ()) = tokio::join!(waiting, async { drop(held) });
        assert!(entered.is_ok());
        assert_eq!(gate.stats().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_waiters_is_bounded() {
        let gate = Gate::counting("renders", 1).waiting_at_most(1);
        let _held = gate.try_enter(1).unwrap();
        let (first, second) = tokio::join!(gate.enter(1, soon()), async {
            assert_eq!(gate.stats().waiting, 1);
            let second = gate.enter(1, soon()).await;
            assert_eq!(gate.stats().waiting, 1, "the second never waited");
            second
        });
        assert!(first.is_err() && second.is_err());
        assert_eq!(gate.stats().waiting, 0);
    }

    proptest! {
        /// Whatever enters and leaves: the capacity is never exceeded, and refused only for want of room.
        #[test]
        fn what_is_held_is_what_was_admitted_and_not_yet_given_back(amounts in prop::collection::vec(0_u64..40, 1..100)) {
            let gate = Gate::counting("pieces", 100);
            let mut held = std::collections::VecDeque::new();
            let mut sum = 0;
            for amount in amounts {
                match gate.try_enter(amount) {
                    Ok(permit) => {
                        held.push_back((amount, permit));
                        sum += amount;
                    }
                    Err(_) => {
                        prop_assert!(sum + amount > 100);
                        let (oldest, permit) = held.pop_front().expect("a full gate is held by someone");
                        drop(permit);
                        sum -= oldest;
                    }
                }
                prop_assert!(sum <= 100);
                prop_assert_eq!(gate.held(), sum);
            }
            drop(held);
            prop_assert_eq!(gate.held(), 0);
        }
    }
}

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fault::{Fault, FaultKind};
use crate::gate::RETRY_AFTER;
use crate::vocab::Owner;

/// How places among running and queued renders are shared out.
///
/// Anybody may take any place while there is one. Once all are taken, some more are reserved for owners that hold fewer
/// than those: whoever fills the queue is refused, and the others are not.
pub(super) struct Shares {
    of: &'static str,
    places: usize,
    reserved: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: usize,
    by_owner: HashMap<Owner, usize>,
}

/// One place of an owner, until dropped.
pub(super) struct Share {
    owner: Owner,
    shares: Arc<Shares>,
}

impl Shares {
    /// So many places for all, and so many more in reserve, of what `of` says.
    pub(super) fn new(of: &'static str, places: usize, reserved: usize) -> Self {
        Self { of, places, reserved, held: Mutex::default() }
    }

    /// Takes a place for an owner.
    ///
    /// # Errors
    /// `Overloaded` when there is none for it.
    pub(super) fn enter(self: &Arc<Self>, owner: &Owner) -> Result<Share, Fault> {
        let mut held = self.held();
        let own = self.has_room_in(&held, owner)?;
        held.all += 1;
        held.by_owner.insert(owner.clone(), own + 1);
        Ok(Share { owner: owner.clone(), shares: Arc::clone(self) })
    }

    /// Refuses now what [`Shares::enter`] would refuse, and takes nothing.
    ///
    /// # Errors
    /// `Overloaded` when there is no place for that owner.
    pub(super) fn has_room(&self, owner: &Owner) -> Result<(), Fault> {
        self.has_room_in(&self.held(), owner).map(drop)
    }

    /// The places that the owner has, if it may have one more.
    fn has_room_in(&self, held: &Held, owner: &Owner) -> Result<usize, Fault> {
        let own = held.by_owner.get(owner).copied().unwrap_or(0);
        let is_reserve_empty = held.all >= self.places.saturating_add(self.reserved);
        if held.all >= self.places && (own >= self.reserved || is_reserve_empty) {
            let message = format!("too many {} at once", self.of);
            return Err(Fault::new(FaultKind::Overloaded, message).retry_after(RETRY_AFTER));
        }
        Ok(own)
    }

    /// Whether only the reserve is left.
    pub(super) fn are_taken(&self) -> bool {
        self.held().all >= self.places
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held();
        held.all -= 1;
        match held.by_owner.get_mut(&self.owner) {
            Some(own) if *own > 1 => *own -= 1,
            // Nothing is remembered of an owner that has nothing.
            _ => drop(held.by_owner.remove(&self.owner)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_may_have_all_places_and_leaves_the_reserve_to_others() {
        let shares = Arc::new(Shares::new("renders", 4, 2));
        let (greedy, modest) = (Owner::new("greedy"), Owner::new("modest"));
        let all: Vec<_> = (0..4).map(|_| shares.enter(&greedy).unwrap()).collect();
        assert!(shares.are_taken());
        assert!(shares.has_room(&greedy).is_err() && shares.has_room(&modest).is_ok());
        let refused = shares.enter(&greedy).map(drop).unwrap_err();
        assert_eq!((refused.kind(), refused.wait_before_retry().is_some()), (FaultKind::Overloaded, true));
        let few = [shares.enter(&modest).unwrap(), shares.enter(&modest).unwrap()];
        assert!(shares.enter(&modest).is_err());
        assert!(shares.enter(&Owner::new("third")).is_err(), "the reserve is taken as well");
        drop((all, few));
        assert!(!shares.are_taken() && shares.held().by_owner.is_empty());
    }
}

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fault::{Fault, FaultKind};
use crate::gate::RETRY_AFTER;
use crate::vocab::Owner;

/// How places among running and queued renders are shared out.
///
/// Anybody may take any place while there is one. Once all are taken, some more are reserved for owners that hold fewer
/// than those: whoever fills the queue is refused, and the others are not.
///
/// A render is announced before its original is fetched. While the queue is short, fetching is what takes long, and any
/// number may be announced: originals that do not come keep no place from those that do. When half of the places are
/// taken, no more are announced than have a place, so that nothing is fetched only to be refused.
pub(super) struct Shares {
    of: &'static str,
    places: usize,
    reserved: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: Count,
    /// Of each owner that has anything.
    by_owner: HashMap<Owner, Count>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    places: usize,
    announced: usize,
}

/// One place of an owner, until dropped.
pub(super) struct Share {
    owner: Owner,
    shares: Arc<Shares>,
}

/// A render that will be asked for when its original is there, or dropped.
#[must_use = "it counts until it is dropped"]
pub struct Announced {
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
        self.admit(&held, held.of(owner).places, held.all.places < self.places)?;
        held.change(owner, |count| count.places += 1);
        Ok(Share { owner: owner.clone(), shares: Arc::clone(self) })
    }

    /// Refuses now what [`Shares::enter`] would refuse later, and takes no place.
    ///
    /// # Errors
    /// `Overloaded` when there will be no place for that owner.
    pub(super) fn announce(self: &Arc<Self>, owner: &Owner) -> Result<Announced, Fault> {
        let mut held = self.held();
        let (all, own) = (held.all, held.of(owner));
        let is_short = all.places < self.places.div_ceil(2);
        self.admit(&held, own.places + own.announced, is_short || all.places + all.announced < self.places)?;
        held.change(owner, |count| count.announced += 1);
        Ok(Announced { owner: owner.clone(), shares: Arc::clone(self) })
    }

    /// Whoever has fewer than are in reserve goes in where there is no room for others.
    fn admit(&self, held: &Held, own: usize, is_room: bool) -> Result<(), Fault> {
        let is_reserve_empty = held.all.places >= self.places.saturating_add(self.reserved);
        if is_reserve_empty || (own >= self.reserved && !is_room) {
            let message = format!("too many {} at once", self.of);
            return Err(Fault::new(FaultKind::Overloaded, message).retry_after(RETRY_AFTER));
        }
        Ok(())
    }

    /// Whether only the reserve is left.
    pub(super) fn are_taken(&self) -> bool {
        self.held().all.places >= self.places
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn of(&self, owner: &Owner) -> Count {
        self.by_owner.get(owner).copied().unwrap_or_default()
    }

    fn change(&mut self, owner: &Owner, by: impl Fn(&mut Count)) {
        let mut own = self.of(owner);
        by(&mut own);
        by(&mut self.all);
        // Nothing is remembered of an owner that has nothing.
        match own == Count::default() {
            true => self.by_owner.remove(owner),
            false => self.by_owner.insert(owner.clone(), own),
        };
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.held().change(&self.owner, |count| count.places -= 1);
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.shares.held().change(&self.owner, |count| count.announced -= 1);
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
        assert!(shares.announce(&greedy).is_err() && shares.announce(&modest).is_ok());
        let refused = shares.enter(&greedy).map(drop).unwrap_err();
        assert_eq!((refused.kind(), refused.wait_before_retry().is_some()), (FaultKind::Overloaded, true));
        let few = [shares.enter(&modest).unwrap(), shares.enter(&modest).unwrap()];
        assert!(shares.enter(&modest).is_err());
        assert!(shares.enter(&Owner::new("third")).is_err(), "the reserve is taken as well");
        drop((all, few));
        assert!(!shares.are_taken() && shares.held().by_owner.is_empty());
    }

    #[test]
    fn a_short_queue_keeps_no_fetch_back_and_a_long_one_has_a_place_for_each() {
        let shares = Arc::new(Shares::new("renders", 4, 1));
        let owner = Owner::new("one");
        let fetching: Vec<_> = (0..100).map(|_| shares.announce(&owner).unwrap()).collect();
        let mut rendering = vec![shares.enter(&owner).unwrap()];
        drop(fetching);
        rendering.push(shares.enter(&owner).unwrap());
        let coming = [shares.announce(&owner).unwrap(), shares.announce(&owner).unwrap()];
        assert!(shares.announce(&owner).is_err(), "two have places and two will take the others");
        drop(coming);
        assert!(shares.announce(&owner).is_ok());
        drop(rendering);
        assert!(shares.held().by_owner.is_empty());
    }

    #[test]
    fn what_is_being_fetched_uses_up_no_reserve() {
        let shares = Arc::new(Shares::new("renders", 2, 1));
        let (greedy, modest) = (Owner::new("greedy"), Owner::new("modest"));
        let _fetching: Vec<_> = (0..10).map(|_| shares.announce(&modest).unwrap()).collect();
        let _all = [shares.enter(&greedy).unwrap(), shares.enter(&greedy).unwrap()];
        assert!(shares.enter(&modest).is_ok(), "it holds no place yet");
    }
}

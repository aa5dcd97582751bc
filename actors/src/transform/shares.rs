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
    places: usize,
    announced: usize,
    /// Both, for each owner that has any.
    by_owner: HashMap<Owner, usize>,
}

/// One place of an owner, until dropped.
pub(super) struct Share(Counted);

/// A render that will be asked for when its original is there, or dropped.
#[must_use = "it counts until it is dropped"]
pub struct Announced(Counted);

struct Counted {
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
        let counted = self.count(&mut held, owner, |held| held.places < self.places)?;
        held.places += 1;
        Ok(Share(counted))
    }

    /// Refuses now what [`Shares::enter`] would refuse later, and takes no place.
    ///
    /// # Errors
    /// `Overloaded` when there will be no place for that owner.
    pub(super) fn announce(self: &Arc<Self>, owner: &Owner) -> Result<Announced, Fault> {
        let mut held = self.held();
        let counted = self.count(&mut held, owner, |held| {
            let is_short = held.places < self.places.div_ceil(2);
            is_short || held.places + held.announced < self.places
        })?;
        held.announced += 1;
        Ok(Announced(counted))
    }

    fn count(self: &Arc<Self>, held: &mut Held, owner: &Owner, room: impl Fn(&Held) -> bool) -> Result<Counted, Fault> {
        let own = held.by_owner.get(owner).copied().unwrap_or(0);
        let is_reserve_empty = held.places >= self.places.saturating_add(self.reserved);
        if is_reserve_empty || (own >= self.reserved && !room(held)) {
            let message = format!("too many {} at once", self.of);
            return Err(Fault::new(FaultKind::Overloaded, message).retry_after(RETRY_AFTER));
        }
        held.by_owner.insert(owner.clone(), own + 1);
        Ok(Counted { owner: owner.clone(), shares: Arc::clone(self) })
    }

    /// Whether only the reserve is left.
    pub(super) fn are_taken(&self) -> bool {
        self.held().places >= self.places
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.shares.held().places -= 1;
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.0.shares.held().announced -= 1;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut held = self.shares.held();
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
}

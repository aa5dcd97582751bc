use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::fault::{Fault, FaultKind};
use crate::gate::{Gate, Permit};
use crate::vocab::{Deadline, Owner};
use crate::wait::within;

/// Says who renders next.
///
/// Each owner has a line for its large renders and one for its others, and the lines are served in turn: whoever asks for
/// much makes its own line longer and nobody else's. Large renders may run at all places, but while no other runs there is
/// one place more: what takes milliseconds never waits for what takes seconds.
///
/// Whoever stands in a line is bounded by the gate of all renders.
pub(super) struct Turnstile {
    running: u64,
    /// One more than run, for the small render beside large ones only.
    places: Gate,
    /// The large ones among them.
    large: Gate,
    lines: Mutex<VecDeque<Line>>,
}

/// Those who wait for the same reason, first come, first served.
struct Line {
    owner: Owner,
    large: bool,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// The right to run. Dropping it lets the next one in.
pub(super) struct Turn {
    place: Option<Place>,
    turnstile: Arc<Turnstile>,
}

struct Place {
    _any: Permit,
    _large: Option<Permit>,
}

impl Turnstile {
    /// A turnstile before `running` places.
    pub(super) fn new(running: usize) -> Self {
        Self {
            running: running as u64,
            places: Gate::counting("running renders", running.saturating_add(1)),
            large: Gate::counting("running large renders", running),
            lines: Mutex::default(),
        }
    }

    /// Waits for a turn, up to the deadline. Dropping the future leaves the line.
    ///
    /// # Errors
    /// `TimedOut` at the deadline.
    pub(super) async fn enter(self: &Arc<Self>, owner: &Owner, large: bool, deadline: Deadline) -> Result<Turn, Fault> {
        // Whoever decides how many instances there are goes by this time.
        let _waiting = self.places.waits_outside();
        let turn = self.stand_in_line(owner, large);
        self.call_next(&mut self.lines());
        let turn = within(deadline, turn).await?;
        turn.map_err(|_| Fault::new(FaultKind::Restarting, "the render was cut off"))
    }

    /// The bound on all running renders.
    pub(super) fn places(&self) -> &Gate {
        &self.places
    }

    /// The large ones among them.
    pub(super) fn large(&self) -> &Gate {
        &self.large
    }

    fn stand_in_line(&self, owner: &Owner, large: bool) -> oneshot::Receiver<Turn> {
        let (called, turn) = oneshot::channel();
        let mut lines = self.lines();
        match lines.iter_mut().find(|line| line.large == large && line.owner == *owner) {
            Some(line) => {
                // Those who left are taken out here as well, or else they would pile up behind a long render.
                line.waiting.retain(|waiting| !waiting.is_closed());
                line.waiting.push_back(called);
            }
            None => lines.push_back(Line { owner: owner.clone(), large, waiting: [called].into() }),
        }
        turn
    }

    /// Gives a place back and calls the next one, in one step: the gates change under the lock only, so that what
    /// [`Turnstile::next_line`] reads of them is true until a place is taken.
    fn leave(self: &Arc<Self>, place: Place) {
        let mut lines = self.lines();
        drop(place);
        self.call_next(&mut lines);
    }

    /// Lets in as many as there are places for.
    fn call_next(self: &Arc<Self>, lines: &mut VecDeque<Line>) {
        while let Some(next) = self.next_line(lines) {
            let Some(mut line) = lines.remove(next) else { return };
            // Whoever has left does not use up the turn of its line.
            line.waiting.retain(|waiting| !waiting.is_closed());
            let Some(called) = line.waiting.pop_front() else { continue };
            let place = self.take_place(line.large);
            // The line goes to the end: the others have their turn first.
            if !line.waiting.is_empty() {
                lines.push_back(line);
            }
            if let Err(mut unwanted) = called.send(Turn { place: Some(place), turnstile: Arc::clone(self) }) {
                // Whoever it was for has just left; it is given back here, under the lock, without calling the next one.
                unwanted.place = None;
            }
        }
    }

    /// The first line whose next one can be let in.
    fn next_line(&self, lines: &VecDeque<Line>) -> Option<usize> {
        let (held, large) = (self.places.held(), self.large.held());
        if held < self.running {
            return (!lines.is_empty()).then_some(0);
        }
        let only_large = held == self.running && large == held;
        lines.iter().position(|line| only_large && !line.large)
    }

    fn take_place(&self, large: bool) -> Place {
        const ROOM: &str = "a line is called only where there is room, and the gates change under the lock only";
        let any = self.places.try_enter(1).expect(ROOM);
        let large = large.then(|| self.large.try_enter(1).expect(ROOM));
        Place { _any: any, _large: large }
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.turnstile.leave(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    type Entering = std::pin::Pin<Box<dyn Future<Output = Result<Turn, Fault>>>>;

    /// Somebody who stands in line from now on.
    fn enters(turnstile: &Arc<Turnstile>, owner: &str, large: bool) -> Entering {
        let (turnstile, owner) = (Arc::clone(turnstile), Owner::new(owner));
        let mut entering: Entering =
            Box::pin(async move { turnstile.enter(&owner, large, Deadline::within(Duration::from_secs(60))).await });
        assert!((&mut entering).now_or_never().is_none(), "there is no place yet");
        entering
    }

    fn has_turn(entering: &mut Entering) -> Option<Turn> {
        entering.now_or_never().map(Result::unwrap)
    }

    async fn occupied(running: usize) -> (Arc<Turnstile>, Vec<Turn>) {
        let turnstile = Arc::new(Turnstile::new(running));
        let mut turns = Vec::new();
        for _ in 0..running {
            turns.push(turnstile.enter(&Owner::new("first"), false, Deadline::within(Duration::ZERO)).await.unwrap());
        }
        (turnstile, turns)
    }

    #[tokio::test(start_paused = true)]
    async fn owners_are_served_in_turn_however_much_each_of_them_asks_for() {
        let (turnstile, mut turns) = occupied(1).await;
        let mut greedy: Vec<_> = (0..10).map(|_| enters(&turnstile, "greedy", false)).collect();
        let mut modest: Vec<_> = (0..2).map(|_| enters(&turnstile, "modest", false)).collect();
        for round in 0..2 {
            turns.pop();
            turns.push(has_turn(&mut greedy[round]).unwrap());
            assert!(has_turn(&mut modest[round]).is_none());
            turns.pop();
            turns.push(has_turn(&mut modest[round]).unwrap());
        }
        turns.pop();
        assert!(has_turn(&mut greedy[2]).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_render_has_a_place_beside_large_ones_and_one_only() {
        for running in [1, 4] {
            let (turnstile, mut turns) = occupied(running).await;
            let mut large: Vec<_> = (0..running + 1).map(|_| enters(&turnstile, "one", true)).collect();
            turns.clear();
            let mut at_work: Vec<_> = large.iter_mut().filter_map(has_turn).collect();
            assert_eq!(at_work.len(), running, "all places serve them");
            let small = turnstile.enter(&Owner::new("one"), false, Deadline::within(Duration::ZERO)).await.unwrap();
            let mut next = enters(&turnstile, "one", false);
            at_work.pop();
            assert!(has_turn(&mut next).is_none(), "the small one took the place of the large one that ended");
            drop(small);
            assert!(has_turn(&mut next).is_some());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_turn_is_counted() {
        let (turnstile, mut turns) = occupied(1).await;
        let mut entering = enters(&turnstile, "a", false);
        assert_eq!(turnstile.places().stats().waiting, 1);
        tokio::time::advance(Duration::from_millis(400)).await;
        turns.clear();
        assert!(has_turn(&mut entering).is_some());
        let stats = turnstile.places().stats();
        assert_eq!(stats.waiting, 0);
        assert!((400_000..410_000).contains(&stats.waited_micros), "{stats:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_is_passed_over_and_a_turn_that_nobody_takes_goes_to_the_next() {
        let (turnstile, mut turns) = occupied(1).await;
        let (left, called, mut last) =
            (enters(&turnstile, "a", false), enters(&turnstile, "b", false), enters(&turnstile, "c", false));
        drop(left);
        turns.clear();
        assert!(has_turn(&mut last).is_none(), "it is the turn of `b`");
        drop(called);
        assert!(has_turn(&mut last).is_some());
        assert_eq!((turnstile.places().held(), turnstile.lines().len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_leave_a_line_that_does_not_move_are_not_kept() {
        let (turnstile, _turns) = occupied(1).await;
        for _ in 0..1_000 {
            drop(enters(&turnstile, "a", false));
        }
        assert!(turnstile.lines().iter().all(|line| line.waiting.len() <= 1));
    }
}

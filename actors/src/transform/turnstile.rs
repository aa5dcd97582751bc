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
/// Large renders wait here for memory as well, of which they have a part. None of them passes another that waits for it,
/// or else the largest would wait for ever; the small ones pass them all.
///
/// Whoever stands in a line is bounded by the gate of all renders.
pub(super) struct Turnstile {
    running: u64,
    /// One more than run, for the small render beside large ones only.
    places: Gate,
    /// The large ones among them.
    large: Gate,
    /// Bytes of pictures that the large ones may take.
    large_memory: Gate,
    lines: Mutex<VecDeque<Line>>,
}

/// What a render is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Soon over, and content with the memory that large ones leave.
    Small,
    /// Takes long, or that much memory.
    Large {
        /// One that needs more than all large ones may take runs while no other of them does.
        memory_bytes: u64,
    },
}

/// Those who wait for the same reason, first come, first served.
struct Line {
    owner: Owner,
    large: bool,
    waiting: VecDeque<Call>,
}

/// How somebody in a line is let in.
struct Call {
    size: Size,
    turn: oneshot::Sender<Turn>,
}

/// Somebody in a line. When it leaves, whoever it stood before may go.
struct InLine<'a> {
    turn: oneshot::Receiver<Turn>,
    turnstile: &'a Arc<Turnstile>,
}

/// The right to run. Dropping it lets the next one in.
pub(super) struct Turn {
    place: Option<Place>,
    turnstile: Arc<Turnstile>,
}

struct Place {
    _any: Permit,
    _large: Option<[Permit; 2]>,
}

impl Turnstile {
    /// A turnstile before `running` places, where large renders together need at most `large_memory_bytes`.
    pub(super) fn new(running: usize, large_memory_bytes: u64) -> Self {
        Self {
            running: running as u64,
            places: Gate::counting("running renders", running.saturating_add(1)),
            large: Gate::counting("running large renders", running),
            large_memory: Gate::bytes("bytes of large pictures", large_memory_bytes),
            lines: Mutex::default(),
        }
    }

    /// Waits for a turn, up to the deadline. Dropping the future leaves the line.
    ///
    /// # Errors
    /// `TimedOut` at the deadline.
    pub(super) async fn enter(self: &Arc<Self>, owner: &Owner, size: Size, deadline: Deadline) -> Result<Turn, Fault> {
        // Whoever decides how many instances there are goes by this time.
        let _waiting = self.places.waits_outside();
        let mut in_line = self.stand_in_line(owner, size);
        self.call_next(&mut self.lines());
        let turn = within(deadline, &mut in_line.turn).await?;
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

    /// The bytes that large ones have of all memory.
    pub(super) fn large_memory(&self) -> &Gate {
        &self.large_memory
    }

    fn stand_in_line(self: &Arc<Self>, owner: &Owner, size: Size) -> InLine<'_> {
        let (call, turn) = oneshot::channel();
        let (call, large) = (Call { size, turn: call }, size != Size::Small);
        let mut lines = self.lines();
        match lines.iter_mut().find(|line| line.large == large && line.owner == *owner) {
            Some(line) => line.waiting.push_back(call),
            None => lines.push_back(Line { owner: owner.clone(), large, waiting: [call].into() }),
        }
        InLine { turn, turnstile: self }
    }

    /// Gives a place back and calls the next one, in one step: the gates change under the lock only, so that what
    /// [`Turnstile::next_line`] reads of them is true until a place is taken.
    fn leave(self: &Arc<Self>, place: Place) {
        let mut lines = self.lines();
        drop(place);
        self.call_next(&mut lines);
    }

    /// Lets in as many as there is room for. Whoever has left neither uses up the turn of its line nor stays in it.
    fn call_next(self: &Arc<Self>, lines: &mut VecDeque<Line>) {
        for line in lines.iter_mut() {
            line.waiting.retain(|call| !call.turn.is_closed());
        }
        lines.retain(|line| !line.waiting.is_empty());
        while let Some(next) = self.next_line(lines) {
            let Some(mut line) = lines.remove(next) else { return };
            let Some(call) = line.waiting.pop_front() else { continue };
            let place = self.take_place(call.size);
            // The line goes to the end: the others have their turn first.
            if !line.waiting.is_empty() {
                lines.push_back(line);
            }
            if let Err(mut unwanted) = call.turn.send(Turn { place: Some(place), turnstile: Arc::clone(self) }) {
                // Whoever it was for has just left; it is given back here, under the lock, without calling the next one.
                unwanted.place = None;
            }
        }
    }

    /// The first line whose next one can be let in.
    fn next_line(&self, lines: &VecDeque<Line>) -> Option<usize> {
        let (held, large) = (self.places.held(), self.large.held());
        let (any_place, beside_large) = (held < self.running, held == self.running && large == held);
        // The first large one alone is looked at: whoever waits for memory is not passed by others that need less.
        let large_line = lines.iter().position(|line| line.large && any_place);
        let large_line =
            large_line.filter(|&line| lines[line].waiting.front().is_some_and(|call| self.fits(call.size)));
        let small_line = lines.iter().position(|line| !line.large && (any_place || beside_large));
        large_line.into_iter().chain(small_line).min()
    }

    /// Whether there is memory for one of that size.
    fn fits(&self, size: Size) -> bool {
        let gate = &self.large_memory;
        self.memory_of(size).is_none_or(|memory| gate.held().saturating_add(memory) <= gate.capacity())
    }

    /// What a large render takes of the memory of large ones.
    fn memory_of(&self, size: Size) -> Option<u64> {
        match size {
            Size::Small => None,
            Size::Large { memory_bytes } => Some(memory_bytes.min(self.large_memory.capacity())),
        }
    }

    fn take_place(&self, size: Size) -> Place {
        const ROOM: &str = "a line is called only where there is room, and the gates change under the lock only";
        let enter = |gate: &Gate, amount| gate.try_enter(amount).expect(ROOM);
        let any = enter(&self.places, 1);
        let large = self.memory_of(size).map(|memory| [enter(&self.large, 1), enter(&self.large_memory, memory)]);
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

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.turn.close();
        self.turnstile.call_next(&mut self.turnstile.lines());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    const LARGE: Size = Size::Large { memory_bytes: 1 };
    const MEMORY: u64 = 8 << 10;

    type Entering = std::pin::Pin<Box<dyn Future<Output = Result<Turn, Fault>>>>;

    /// Somebody who stands in line from now on.
    fn enters(turnstile: &Arc<Turnstile>, owner: &str, size: Size) -> Entering {
        let (turnstile, owner) = (Arc::clone(turnstile), Owner::new(owner));
        let mut entering: Entering =
            Box::pin(async move { turnstile.enter(&owner, size, Deadline::within(Duration::from_secs(60))).await });
        assert!((&mut entering).now_or_never().is_none(), "there is no place yet");
        entering
    }

    fn has_turn(entering: &mut Entering) -> Option<Turn> {
        entering.now_or_never().map(Result::unwrap)
    }

    async fn occupied(running: usize) -> (Arc<Turnstile>, Vec<Turn>) {
        let turnstile = Arc::new(Turnstile::new(running, MEMORY));
        let mut turns = Vec::new();
        for _ in 0..running {
            turns.push(
                turnstile.enter(&Owner::new("first"), Size::Small, Deadline::within(Duration::ZERO)).await.unwrap(),
            );
        }
        (turnstile, turns)
    }

    #[tokio::test(start_paused = true)]
    async fn owners_are_served_in_turn_however_much_each_of_them_asks_for() {
        let (turnstile, mut turns) = occupied(1).await;
        let mut greedy: Vec<_> = (0..10).map(|_| enters(&turnstile, "greedy", Size::Small)).collect();
        let mut modest: Vec<_> = (0..2).map(|_| enters(&turnstile, "modest", Size::Small)).collect();
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
            let mut large: Vec<_> = (0..running + 1).map(|_| enters(&turnstile, "one", LARGE)).collect();
            turns.clear();
            let mut at_work: Vec<_> = large.iter_mut().filter_map(has_turn).collect();
            assert_eq!(at_work.len(), running, "all places serve them");
            let small =
                turnstile.enter(&Owner::new("one"), Size::Small, Deadline::within(Duration::ZERO)).await.unwrap();
            let mut next = enters(&turnstile, "one", Size::Small);
            at_work.pop();
            assert!(has_turn(&mut next).is_none(), "the small one took the place of the large one that ended");
            drop(small);
            assert!(has_turn(&mut next).is_some());
        }
    }

    fn large(memory_bytes: u64) -> Size {
        Size::Large { memory_bytes }
    }

    fn turns_of(turnstile: &Arc<Turnstile>, sizes: &[Size]) -> Vec<Option<Turn>> {
        let at_once = |size: &Size| {
            turnstile.enter(&Owner::new("one"), *size, Deadline::within(Duration::from_secs(60))).now_or_never()
        };
        sizes.iter().map(|size| at_once(size).map(Result::unwrap)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn large_renders_wait_for_memory_without_a_place_and_small_ones_pass_them() {
        let turnstile = Arc::new(Turnstile::new(4, MEMORY));
        let at_work = turns_of(&turnstile, &[large(MEMORY / 2)]);
        let mut waiting = enters(&turnstile, "one", large(MEMORY / 2 + 1));
        let small = turns_of(&turnstile, &[Size::Small; 3]);
        assert!(small.iter().all(Option::is_some), "three of four places are left");
        drop((at_work, small));
        assert!(has_turn(&mut waiting).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_render_that_waits_for_memory_is_not_passed_by_others_that_need_less() {
        let turnstile = Arc::new(Turnstile::new(4, MEMORY));
        let at_work = turns_of(&turnstile, &[large(MEMORY / 2)]);
        // More than all of them may take: it waits for all of it, and for no more than that.
        let mut giant = enters(&turnstile, "one", large(MEMORY * 3));
        let mut next = [enters(&turnstile, "one", large(1)), enters(&turnstile, "other", large(1))];
        drop(at_work);
        let alone = has_turn(&mut giant).unwrap();
        assert!(next.iter_mut().all(|next| has_turn(next).is_none()));
        drop(alone);
        assert!(next.iter_mut().all(|next| has_turn(next).is_some()));
        assert_eq!(turnstile.large_memory().held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn owners_are_served_in_turn_when_large_renders_wait_for_memory() {
        let turnstile = Arc::new(Turnstile::new(4, MEMORY));
        let mut at_work = turns_of(&turnstile, &[large(MEMORY)]);
        let mut greedy: Vec<_> = (0..10).map(|_| enters(&turnstile, "greedy", large(MEMORY))).collect();
        let mut modest = enters(&turnstile, "modest", large(MEMORY));
        at_work.pop();
        at_work.push(has_turn(&mut greedy[0]));
        at_work.pop();
        assert!(has_turn(&mut modest).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_while_it_waits_for_memory_lets_those_behind_it_go() {
        let turnstile = Arc::new(Turnstile::new(4, MEMORY));
        let _at_work = turns_of(&turnstile, &[large(MEMORY / 2)]);
        let (giant, mut modest) = (enters(&turnstile, "one", large(MEMORY)), enters(&turnstile, "one", large(1)));
        drop(giant);
        assert!(has_turn(&mut modest).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_turn_is_counted() {
        let (turnstile, mut turns) = occupied(1).await;
        let mut entering = enters(&turnstile, "a", Size::Small);
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
        let (left, called, mut last) = (
            enters(&turnstile, "a", Size::Small),
            enters(&turnstile, "b", Size::Small),
            enters(&turnstile, "c", Size::Small),
        );
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
            drop(enters(&turnstile, "a", Size::Small));
        }
        assert!(turnstile.lines().iter().all(|line| line.waiting.len() <= 1));
    }
}

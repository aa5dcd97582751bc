//! What happens when, told by a seed.

use std::time::Duration;

use mortar_actors::fakes::Script;
use mortar_actors::transform::Estimate;
use mortar_actors::{Fault, FaultKind};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::clockwork::Conduct;
use crate::service::{Manner, ORIGINALS, RESULTS, Wish};

/// All originals, of two buckets.
pub(crate) const PICTURES: [&str; 4] = ["one/a", "one/b", "two/c", "two/d"];
/// How many plans each has.
const PLANS: u8 = 3;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// So many ask for the same, and some of them leave.
    Ask(Wish, Vec<Visitor>),
    /// Renders that begin from now on.
    Renders(Manner),
    /// Calls of a store.
    Store(&'static str, Script),
    /// Calls for an original, or for a result.
    Object(String, Script),
    /// Bodies of an original between their two chunks.
    Body(&'static str, Script),
    /// The next client of a store that is built.
    Opening(Script),
    Lease(Script),
    /// Another instance has a lease for so long, whoever had it before.
    LeaseElsewhere(Wish, Duration),
    SharedCache(Script),
    Marks(Script),
    Crash(Actor),
    Replace(&'static str),
    /// On another instance, of which this one hears after so long.
    ReplaceElsewhere(&'static str, Duration),
    /// Nothing fails from now on.
    Mend,
}

/// Somebody who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    pub(crate) patience: Duration,
    pub(crate) leaves_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Actor {
    Storage,
    Cache,
    Lock,
    Transform,
}

/// Draws what happens from a seed.
pub(crate) struct Schedule {
    draw: StdRng,
    /// Marks fail, or else originals are replaced on another instance. Whoever cannot ask for marks need not learn of what
    /// others replace, so there are never both.
    is_alone: bool,
}

impl Schedule {
    pub(crate) fn of(seed: u64) -> Self {
        let mut draw = StdRng::seed_from_u64(seed);
        Self { is_alone: draw.random_bool(0.5), draw }
    }

    /// Everything that is asked for of an original.
    pub(crate) fn wishes(original: &'static str) -> impl Iterator<Item = Wish> {
        (0..PLANS).map(move |plan| Wish { original, plan })
    }

    /// Events, each with the time since the one before.
    pub(crate) fn events(mut self) -> Vec<(Duration, Event)> {
        let count = self.draw.random_range(20..80);
        (0..count).map(|_| (self.pause(), self.event())).collect()
    }

    fn event(&mut self) -> Event {
        match self.draw.random_range(0..100) {
            0..55 => Event::Ask(self.wish(), self.visitors()),
            55..64 => Event::Renders(self.manner()),
            64..69 => Event::Store([ORIGINALS, RESULTS].choose(&mut self.draw).unwrap(), self.script()),
            69..73 => {
                let (wish, plan) = (self.wish(), self.draw.random_range(0..=PLANS));
                let of_original = plan == PLANS;
                let name = if of_original { wish.original.to_owned() } else { wish.key().to_string() };
                Event::Object(name, self.script())
            }
            73 => Event::Opening(self.script()),
            74 => Event::Body(PICTURES.choose(&mut self.draw).unwrap(), self.script()),
            75..79 => Event::Lease(self.script()),
            79..83 => Event::LeaseElsewhere(self.wish(), self.millis(900)),
            83..85 => Event::SharedCache(self.script()),
            85..87 if self.is_alone => Event::Marks(self.script()),
            85..87 => Event::ReplaceElsewhere(PICTURES.choose(&mut self.draw).unwrap(), self.millis(500)),
            87..91 => Event::Crash(
                *[Actor::Storage, Actor::Cache, Actor::Lock, Actor::Transform].choose(&mut self.draw).unwrap(),
            ),
            91..96 => Event::Replace(PICTURES.choose(&mut self.draw).unwrap()),
            _ => Event::Mend,
        }
    }

    /// Mostly of the first ones, so that requests join.
    fn wish(&mut self) -> Wish {
        let original =
            PICTURES[self.draw.random_range(0..PICTURES.len()).min(self.draw.random_range(0..PICTURES.len()))];
        Wish { original, plan: self.draw.random_range(0..PLANS) }
    }

    fn visitors(&mut self) -> Vec<Visitor> {
        let count = if self.draw.random_bool(0.1) { 14 } else { self.draw.random_range(1..4) };
        (0..count)
            .map(|_| Visitor {
                patience: self.millis(3_000),
                leaves_after: self.draw.random_bool(0.4).then(|| self.millis(200)),
            })
            .collect()
    }

    fn manner(&mut self) -> Manner {
        let conduct = match self.draw.random_range(0..10) {
            0..5 => Conduct::Takes(self.millis(300)),
            5 => Conduct::Deaf(self.millis(3_000)),
            6 => Conduct::Hangs,
            7 => Conduct::Panics,
            8 => Conduct::PanicsInEstimate,
            _ => Conduct::Takes(Duration::ZERO),
        };
        // Small, large, larger than all large ones may be together, and larger than all may be.
        let (memory_bytes, work) =
            *[(1_000, 1), (1_000, 1), (3_000, 1_000), (7_000, 1_000), (9_000, 1)].choose(&mut self.draw).unwrap();
        Manner { conduct, estimate: Estimate { memory_bytes, work } }
    }

    fn script(&mut self) -> Script {
        let kinds = [FaultKind::Upstream, FaultKind::TimedOut, FaultKind::NotFound, FaultKind::Internal];
        match self.draw.random_range(0..10) {
            0..3 => Script::Works,
            3..5 => Script::Slow(self.millis(300)),
            5..8 => Script::Fails(Fault::new(*kinds.choose(&mut self.draw).unwrap(), "a scripted fault")),
            8 => Script::Hangs,
            _ => Script::Panics,
        }
    }

    /// Often none at all.
    fn pause(&mut self) -> Duration {
        if self.draw.random_bool(0.5) { Duration::ZERO } else { self.millis(120) }
    }

    /// At most so long; short times are as likely as long ones.
    fn millis(&mut self, most: u64) -> Duration {
        let most = self.draw.random_range(1..=most);
        Duration::from_millis(self.draw.random_range(0..=most))
    }
}

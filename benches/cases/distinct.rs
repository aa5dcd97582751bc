//! Pictures of a megapixel that were never asked for, through the real program, beside the bare codec and resampling
//! calls: all that a server does around a cold render.

use std::thread;
use std::time::Duration;

use mortar_load::ask;

use crate::bare;
use crate::paired::{Clock, Pair};
use crate::pictures::megapixel;
use crate::service::Site;

/// Pictures of one turn.
const PICTURES: u32 = 40;
const CONNECTIONS: usize = 4;
const ROUNDS: usize = 8;
const TARGET: f64 = 1.15;
const QUALITY: u8 = 80;

pub(super) fn run() {
    let jpeg = megapixel();
    let site = Site::with([("picture.jpg", jpeg.as_slice())]);
    let turns = u32::try_from(ROUNDS).expect("a small number") + 1;
    (0..turns * PICTURES)
        .for_each(|number| site.link("picture.jpg", &format!("{}-{}.jpg", number / PICTURES, number % PICTURES)));
    let server = site.serve();
    let mut turns = 0..turns;
    let ours = || {
        let turn = turns.next().expect("there are pictures for each turn");
        let before = server.cpu();
        let url = server.url(&format!("/media/{turn}-{{number}}.jpg?width={}&quality={QUALITY}", bare::WIDTH));
        let answers = ask(&url, CONNECTIONS, PICTURES.into()).expect("the server listens");
        assert!(answers.are_clean(), "{:?}, {} failed", answers.statuses, answers.failed);
        (server.cpu() - before) / PICTURES
    };
    // On as many threads as the server renders on: they share caches, memory and, as it may be, cores.
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = PICTURES.div_ceil(u32::try_from(threads).expect("a small number"));
    let bare = || Clock::Thread.time(|| (0..share).for_each(|_| drop(bare::megapixel_to_jpeg(&jpeg, QUALITY)))) / share;
    let other = || {
        let costs: Vec<Duration> = thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(bare)).collect();
            running.into_iter().map(|thread| thread.join().expect("bare calls do not panic")).collect()
        });
        costs.iter().sum::<Duration>() / u32::try_from(costs.len()).expect("a small number")
    };
    Pair::new("distinct: 1 megapixel, whole server", Clock::Child, ROUNDS).target(TARGET).run_measured(ours, other);
}

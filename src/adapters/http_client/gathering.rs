use std::time::Duration;

use tokio::time::sleep;

/// Bytes below which a chunk is a small piece.
const SMALL_CHUNK: usize = 32 * 1024;

/// Bytes of a body that come at once. Its first pieces are small in any case, since buffers grow with what comes.
const BEGINNING: u64 = 64 * 1024;

/// Bytes still to come that are worth a pause.
const MUCH: u64 = 1024 * 1024;

/// How long pieces gather. A socket has room for what comes meanwhile, so whoever sends does not wait.
const PAUSE: Duration = Duration::from_millis(1);

/// Pauses in a row after which no more are made, as nothing gathers: the origin is slow, or its records of TLS are handed
/// over one by one, however many have come.
const FRUITLESS: u32 = 4;

/// Decides whether the next chunk of a body is waited for a little, so that more comes with it.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    pausing: bool,
    fruitless: u32,
}

impl Gathering {
    /// Pauses where that is worth it.
    pub(super) async fn wait(&self) {
        if self.pausing {
            sleep(PAUSE).await;
        }
    }

    /// Learns from a chunk of so many bytes, which ends so far from the begin of its body and so far, at least, from its end.
    pub(super) fn learn(&mut self, chunk: usize, passed: u64, left: u64) {
        let is_small = chunk < SMALL_CHUNK;
        if self.pausing {
            self.fruitless = if is_small { self.fruitless + 1 } else { 0 };
        }
        self.pausing = is_small && passed >= BEGINNING && left >= MUCH && self.fruitless < FRUITLESS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: u64 = 1 << 30;

    #[test]
    fn small_pieces_of_a_large_body_gather() {
        let mut gathering = Gathering::default();
        for _ in 0..100 {
            gathering.learn(4096, FAR, FAR);
            assert!(gathering.pausing);
            gathering.learn(256 * 1024, FAR, FAR);
            assert!(!gathering.pausing, "what has come is not waited for");
        }
    }

    #[test]
    fn neither_the_begin_of_a_body_nor_its_end_is_held_up() {
        let mut gathering = Gathering::default();
        gathering.learn(8192, 8192, FAR);
        assert!(!gathering.pausing);
        gathering.learn(8192, FAR, MUCH - 1);
        assert!(!gathering.pausing);
    }

    #[test]
    fn where_nothing_gathers_there_are_no_more_pauses() {
        let mut gathering = Gathering::default();
        let pauses = (0..1_000).filter(|_| {
            gathering.learn(16 * 1024, FAR, FAR);
            gathering.pausing
        });
        assert_eq!(pauses.count(), FRUITLESS as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_short_and_only_made_where_it_is_due() {
        let begun = tokio::time::Instant::now();
        Gathering::default().wait().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        Gathering { pausing: true, fruitless: 0 }.wait().await;
        assert!((PAUSE..PAUSE * 3).contains(&begun.elapsed()));
    }
}

use std::time::Duration;

use bytes::Bytes;
use mortar_actors::Deadline;
use tokio::time::{Instant, timeout_at};

use super::{Pieces, Refusal, UploadLimits};

/// A body on its way from a client that is watched: it may pause, be slow and take long, but within limits.
///
/// Only the time counts that is spent waiting for the client. What the store takes to make room for the next piece is not
/// the client's, but for the limit on all of it.
pub(in crate::s3) struct Arriving {
    pieces: Pieces,
    limits: UploadLimits,
    deadline: Deadline,
    waited: Duration,
    received: u64,
}

impl Arriving {
    /// The clock runs from now on.
    pub(in crate::s3) fn new(pieces: Pieces, limits: UploadLimits) -> Self {
        let deadline = Deadline::within(limits.timeout);
        Self { pieces, limits, deadline, waited: Duration::ZERO, received: 0 }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// `TooSlow`, and what became of the connection.
    pub(in crate::s3) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let since = Instant::now();
        let patience = self.deadline.at_most(self.limits.idle);
        let piece = timeout_at(patience.instant(), self.pieces.recv()).await.map_err(|_| Refusal::TooSlow)?;
        self.waited += since.elapsed();
        let Some(piece) = piece.transpose()? else { return Ok(None) };
        self.received += piece.len() as u64;
        if self.is_too_slow() { Err(Refusal::TooSlow) } else { Ok(Some(piece)) }
    }

    /// Nobody is judged by the first moments: a client may pause for `idle` before its first byte.
    fn is_too_slow(&self) -> bool {
        let expected = u128::from(self.limits.min_rate) * self.waited.as_millis() / 1_000;
        self.waited > self.limits.idle && u128::from(self.received) < expected
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: UploadLimits = UploadLimits {
        bytes: 1 << 20,
        timeout: Duration::from_secs(600),
        idle: Duration::from_secs(10),
        min_rate: 100,
    };

    /// How many pieces of `length` bytes are taken of a client that sends one a second, and by a reader that takes
    /// `pause` for each; and what ended it.
    async fn taken(limits: UploadLimits, length: usize, pause: Duration) -> (u64, Option<Refusal>) {
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(async move {
            for _ in 0..1_000 {
                sleep(SECOND).await;
                if sender.send(Ok(Bytes::from(vec![7; length]))).await.is_err() {
                    return;
                }
            }
        });
        let mut arriving = Arriving::new(receiver, limits);
        let mut count = 0;
        loop {
            match arriving.next().await {
                Ok(Some(_)) => count += 1,
                Ok(None) => return (count, None),
                Err(refusal) => return (count, Some(refusal)),
            }
            sleep(pause).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_drips_is_refused_once_its_first_moments_are_over() {
        let (count, refusal) = taken(LIMITS, 99, Duration::ZERO).await;
        assert_eq!(refusal, Some(Refusal::TooSlow));
        assert!((9..=11).contains(&count), "{count}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_keeps_the_rate_has_all_the_time_there_is() {
        let (count, refusal) = taken(LIMITS, 101, Duration::ZERO).await;
        assert_eq!(refusal, Some(Refusal::TooSlow));
        assert!((598..=600).contains(&count), "{count}");
        let unlimited = UploadLimits { timeout: Duration::from_secs(100_000), ..LIMITS };
        assert_eq!(taken(unlimited, 101, Duration::ZERO).await, (1_000, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_nothing_asks_for_nothing() {
        let limits = UploadLimits { min_rate: 0, timeout: Duration::from_secs(100_000), ..LIMITS };
        assert_eq!(taken(limits, 1, Duration::ZERO).await, (1_000, None));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_slow_reader_is_not_the_clients() {
        let limits = UploadLimits { timeout: Duration::from_secs(1_000_000), ..LIMITS };
        assert_eq!(taken(limits, 2, SECOND * 60).await, (1_000, None));
    }
}

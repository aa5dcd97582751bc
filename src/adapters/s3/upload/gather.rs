use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use mortar_actors::Fault;
use tokio::sync::OwnedSemaphorePermit;

use super::Part;

/// Chunks below this size are put together, so that a body of tiny ones costs no more memory than its bytes.
const SMALL_BYTES: usize = 16 * 1024;

/// Cuts a body into parts of equal size, the last one aside. Nothing is copied but small chunks.
pub(super) struct Gather {
    chunks: BoxStream<'static, Result<Bytes, Fault>>,
    part_size: usize,
    /// What came beyond the end of the last part.
    carried: Bytes,
}

impl Gather {
    pub(super) fn new(chunks: BoxStream<'static, Result<Bytes, Fault>>, part_size: usize) -> Self {
        Self { chunks, part_size, carried: Bytes::new() }
    }

    /// The next part; shorter than the others, or empty, at the end of the body.
    pub(super) async fn part(&mut self, place: Option<OwnedSemaphorePermit>) -> Result<Part, Fault> {
        let mut part = Part { chunks: Vec::new(), length: 0, _place: place };
        let mut small = BytesMut::new();
        while part.length < self.part_size && !self.is_at_end().await? {
            let fitting = self.carried.len().min(self.part_size - part.length);
            let chunk = self.carried.split_to(fitting);
            part.length += chunk.len();
            if chunk.len() < SMALL_BYTES {
                small.extend_from_slice(&chunk);
                continue;
            }
            if !small.is_empty() {
                part.chunks.push(small.split().freeze());
            }
            part.chunks.push(chunk);
        }
        if !small.is_empty() {
            part.chunks.push(small.freeze());
        }
        Ok(part)
    }

    /// Whether nothing more comes; waits until that is known.
    pub(super) async fn is_at_end(&mut self) -> Result<bool, Fault> {
        while self.carried.is_empty() {
            let Some(chunk) = self.chunks.try_next().await? else { return Ok(true) };
            self.carried = chunk;
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::{StreamExt, stream};
    use tokio::sync::Semaphore;

    use super::*;

    async fn parts(chunks: &[usize], part_size: usize) -> Vec<usize> {
        let chunks: Vec<_> = chunks.iter().map(|length| Ok(Bytes::from(vec![7; *length]))).collect();
        let mut source = Gather::new(stream::iter(chunks).boxed(), part_size);
        let places = Arc::new(Semaphore::new(1));
        let mut lengths = Vec::new();
        loop {
            let part = source.part(Arc::clone(&places).acquire_owned().await.ok()).await.unwrap();
            assert_eq!(part.chunks.iter().map(Bytes::len).sum::<usize>(), part.length);
            lengths.push(part.length);
            if source.is_at_end().await.unwrap() {
                return lengths;
            }
        }
    }

    #[tokio::test]
    async fn all_parts_but_the_last_are_of_one_size() {
        assert_eq!(parts(&[], 10).await, [0]);
        assert_eq!(parts(&[3, 0, 7], 10).await, [10]);
        assert_eq!(parts(&[3, 4, 5], 10).await, [10, 2]);
        assert_eq!(parts(&[100_000, 1], 30_000).await, [30_000, 30_000, 30_000, 10_001]);
    }

    #[tokio::test]
    async fn small_chunks_are_put_together() {
        let chunks = stream::repeat_with(|| Ok(Bytes::from_static(b"a"))).take(5_000).boxed();
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.ok();
        let part = Gather::new(chunks, 1 << 20).part(place).await.unwrap();
        assert_eq!((part.length, part.chunks.len()), (5_000, 1));
    }
}

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use mortar_actors::{ByteStream, Fault, FaultKind};
use tokio::time::timeout;

use super::gathering::Gathering;

/// The chunks of an answer's body as they come. Where much is to come, and comes in small pieces, they are let gather for a
/// moment: each chunk that is handed on wakes three threads and makes a packet. They end in a fault when the origin pauses
/// for longer than `patience`, breaks off early, or sends more than `limit` bytes.
pub(in crate::adapters) fn chunks(body: Incoming, limit: u64, patience: Duration) -> ByteStream {
    let length = body.size_hint().exact();
    let state = (body, limit, Gathering::default());
    let chunks = stream::try_unfold(state, move |(mut body, left, mut gathering)| async move {
        gathering.wait().await;
        let Some(chunk) = next_chunk(&mut body, patience).await? else {
            return Ok(None);
        };
        let left = left.checked_sub(chunk.len() as u64).ok_or_else(|| too_large(limit))?;
        gathering.learn(chunk.len(), limit - left, body.size_hint().lower());
        Ok(Some((chunk, (body, left, gathering))))
    });
    ByteStream::new(length, chunks)
}

/// Exactly `length` bytes of a body after the first `skip`. The source is dropped at their end; one that ends before
/// is a fault.
pub(super) fn cut(source: ByteStream, skip: u64, length: u64) -> ByteStream {
    let state = (source.into_chunks().boxed(), skip, length);
    let chunks = stream::try_unfold(state, |(mut chunks, mut skip, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(chunk) = chunk_after(&mut chunks, &mut skip).await? else {
            return Err(Fault::new(FaultKind::Upstream, "the origin's answer ended before the asked part"));
        };
        let chunk = chunk.slice(..chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        let left = left - chunk.len() as u64;
        Ok(Some((chunk, (chunks, skip, left))))
    });
    ByteStream::new(Some(length), chunks)
}

/// The object is over a limit.
pub(super) fn too_large(limit: u64) -> Fault {
    Fault::new(FaultKind::TooLarge, format!("the object is larger than {limit} bytes"))
}

async fn next_chunk(body: &mut Incoming, patience: Duration) -> Result<Option<Bytes>, Fault> {
    loop {
        let frame = timeout(patience, body.frame())
            .await
            .map_err(|_| Fault::new(FaultKind::TimedOut, "the origin paused for too long in the body"))?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => {
                return Err(Fault::new(FaultKind::Upstream, "the origin broke off in the body").caused_by(error));
            }
        }
    }
}

/// The next bytes once `skip` of them have been passed over.
async fn chunk_after(
    chunks: &mut BoxStream<'static, Result<Bytes, Fault>>,
    skip: &mut u64,
) -> Result<Option<Bytes>, Fault> {
    while let Some(chunk) = chunks.try_next().await? {
        let skipped = usize::try_from(*skip).unwrap_or(usize::MAX).min(chunk.len());
        *skip -= skipped as u64;
        if skipped < chunk.len() {
            return Ok(Some(chunk.slice(skipped..)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn cut_out(skip: u64, length: u64) -> Result<Bytes, FaultKind> {
        let source = stream::iter([Ok(Bytes::from_static(b"0123")), Ok(Bytes::from_static(b"456789"))]);
        let cut = cut(ByteStream::new(None, source), skip, length);
        mortar_actors::Body::Stream(cut).collect(u64::MAX).await.map_err(|fault| fault.kind())
    }

    #[tokio::test]
    async fn a_part_is_cut_out_across_chunks() {
        assert_eq!(cut_out(0, 1).await.unwrap(), "0");
        assert_eq!(cut_out(2, 5).await.unwrap(), "23456");
        assert_eq!(cut_out(4, 6).await.unwrap(), "456789");
        assert_eq!(cut_out(9, 1).await.unwrap(), "9");
    }

    #[tokio::test]
    async fn a_body_that_ends_before_the_part_is_a_fault() {
        assert_eq!(cut_out(8, 3).await, Err(FaultKind::Upstream));
        assert_eq!(cut_out(20, 1).await, Err(FaultKind::Upstream));
    }
}

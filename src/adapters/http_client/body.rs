use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use mortar_actors::{ByteStream, ContentRange, Fault, FaultKind};
use tokio::time::timeout;

/// The chunks of an answer's body as they come. They end in a fault when the origin pauses for longer than `patience`,
/// breaks off early, or sends more than `limit` bytes.
pub(super) fn chunks(body: Incoming, limit: u64, patience: Duration) -> ByteStream {
    let length = body.size_hint().exact();
    let chunks = stream::try_unfold((body, limit), move |(mut body, left)| async move {
        let Some(chunk) = next_chunk(&mut body, patience).await? else {
            return Ok(None);
        };
        let left = left.checked_sub(chunk.len() as u64).ok_or_else(|| too_large(limit))?;
        Ok(Some((chunk, (body, left))))
    });
    ByteStream::new(length, chunks)
}

/// The part of a whole body: what comes before is skipped, and the source is dropped at the end of the part.
pub(super) fn cut(whole: ByteStream, part: ContentRange) -> ByteStream {
    let state = (whole.into_chunks().boxed(), part.first, part.len());
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
    ByteStream::new(Some(part.len()), chunks)
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

    async fn cut_out(first: u64, last: u64, total: u64) -> Result<Bytes, FaultKind> {
        let source = stream::iter([Ok(Bytes::from_static(b"0123")), Ok(Bytes::from_static(b"456789"))]);
        let cut = cut(ByteStream::new(Some(total), source), ContentRange { first, last, total });
        mortar_actors::Body::Stream(cut).collect(u64::MAX).await.map_err(|fault| fault.kind())
    }

    #[tokio::test]
    async fn a_part_is_cut_out_across_chunks() {
        assert_eq!(cut_out(0, 0, 10).await.unwrap(), "0");
        assert_eq!(cut_out(2, 6, 10).await.unwrap(), "23456");
        assert_eq!(cut_out(4, 9, 10).await.unwrap(), "456789");
        assert_eq!(cut_out(9, 9, 10).await.unwrap(), "9");
    }

    #[tokio::test]
    async fn a_body_that_ends_before_the_part_is_a_fault() {
        assert_eq!(cut_out(8, 11, 12).await, Err(FaultKind::Upstream));
    }
}

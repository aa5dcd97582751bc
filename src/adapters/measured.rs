use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use mortar_actors::{Body, Fault, FaultKind};

/// The chunks of a body that is being stored. They end in a fault unless exactly the announced number of bytes came,
/// so that what is stored is whole or nothing.
///
/// `announced` comes from the metadata; the length that the body itself tells must hold as well. A body that is too
/// long fails at the first byte too many.
pub(super) fn measured(body: Body, announced: Option<u64>) -> BoxStream<'static, Result<Bytes, Fault>> {
    let known = body.length();
    let expected = announced.or(known);
    if announced.zip(known).is_some_and(|(announced, known)| announced != known) {
        return stream::once(async { Err(wrong_length()) }).boxed();
    }
    let chunks = match body {
        Body::Empty => stream::empty().boxed(),
        Body::Bytes(bytes) => stream::once(async { Ok(bytes) }).boxed(),
        Body::Stream(stream) => stream.into_chunks(),
    };
    let Some(expected) = expected else {
        return chunks;
    };
    stream::try_unfold((chunks, expected), |(mut chunks, left)| async move {
        let Some(chunk) = chunks.try_next().await? else {
            return if left == 0 { Ok(None) } else { Err(wrong_length()) };
        };
        let left = left.checked_sub(chunk.len() as u64).ok_or_else(wrong_length)?;
        Ok(Some((chunk, (chunks, left))))
    })
    .boxed()
}

fn wrong_length() -> Fault {
    Fault::new(FaultKind::Invalid, "the body is not as long as it was announced to be")
}

#[cfg(test)]
mod tests {
    use mortar_actors::ByteStream;

    use super::*;

    async fn read(body: Body, announced: Option<u64>) -> Result<usize, FaultKind> {
        let chunks: Result<Vec<_>, _> = measured(body, announced).try_collect().await;
        chunks.map(|chunks| chunks.iter().map(Bytes::len).sum()).map_err(|fault| fault.kind())
    }

    fn streamed(length: Option<u64>) -> Body {
        let chunks = stream::iter([Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"cde"))]);
        Body::Stream(ByteStream::new(length, chunks))
    }

    #[tokio::test]
    async fn a_body_of_the_announced_length_passes() {
        assert_eq!(read(streamed(Some(5)), None).await, Ok(5));
        assert_eq!(read(streamed(None), Some(5)).await, Ok(5));
        assert_eq!(read(streamed(None), None).await, Ok(5));
        assert_eq!(read(Body::Empty, Some(0)).await, Ok(0));
    }

    #[tokio::test]
    async fn a_body_of_another_length_fails() {
        assert_eq!(read(streamed(Some(4)), None).await, Err(FaultKind::Invalid));
        assert_eq!(read(streamed(Some(6)), None).await, Err(FaultKind::Invalid));
        assert_eq!(read(streamed(Some(5)), Some(6)).await, Err(FaultKind::Invalid));
        assert_eq!(read(Body::Empty, Some(1)).await, Err(FaultKind::Invalid));
    }
}

//! Renditions: the one form of a result, whether it was just rendered or read back.

use std::panic::resume_unwind;
use std::time::SystemTime;

use bytes::Bytes;
use mortar_actors::{EntityTag, Fault, FaultKind, Rendition};
use xxhash_rust::xxh3::xxh3_128;

use crate::adapters::raster::engine::Rendered;
use crate::adapters::raster::probe::{Header, probe_whole};

/// What a render made.
pub(super) fn from_render(rendered: Rendered) -> Rendition {
    let Rendered { body, digest, format, width, height, .. } = rendered;
    of(body, digest, format.media_type(), (width, height), SystemTime::now())
}

/// What a store kept, to its last byte. It is known by its own header, since not every store keeps media types.
///
/// # Errors
/// `Unprocessable` when the bytes are no picture, or not all of one; `Restarting` when the service is being stopped.
pub(super) async fn from_store(body: Bytes, written: Option<SystemTime>) -> Result<Rendition, Fault> {
    away(move || {
        let header = probe_whole(&body)?;
        Ok(as_it_stands(body, &header, written))
    })
    .await
}

/// A picture with this header. Every byte is read, so this is nothing for a thread that others wait for.
pub(super) fn as_it_stands(body: Bytes, header: &Header, written: Option<SystemTime>) -> Rendition {
    let digest = xxh3_128(&body);
    of(body, digest, header.format.media_type(), header.displayed_size(), written.unwrap_or_else(SystemTime::now))
}

/// The validator is made of the bytes, so that it survives restarts and is the same from every tier.
fn of(
    body: Bytes,
    digest: u128,
    media_type: &str,
    (width, height): (u32, u32),
    last_modified: SystemTime,
) -> Rendition {
    let etag = EntityTag::new(&format!("{digest:032x}"));
    let content_type = media_type.to_owned();
    Rendition { body, content_type, etag, last_modified, width: Some(width), height: Some(height) }
}

/// Does work on the blocking pool, away from the thread of the actors. Bounded by the flights, and over in a moment.
async fn away(work: impl FnOnce() -> Result<Rendition, Fault> + Send + 'static) -> Result<Rendition, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The flight has a fence.
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(Fault::new(FaultKind::Restarting, "the result was not looked over to its end")),
    }
}

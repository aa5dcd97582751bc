//! Renditions: the one form of a result, whether it was just rendered or read back.

use std::time::SystemTime;

use bytes::Bytes;
use mortar_actors::{EntityTag, Fault, Rendition};
use xxhash_rust::xxh3::xxh3_128;

use crate::adapters::raster::engine::Rendered;
use crate::adapters::raster::probe::probe;

/// What a render made.
pub(super) fn from_render(rendered: Rendered) -> Rendition {
    let Rendered { body, format, width, height, .. } = rendered;
    of(body, format.media_type(), (width, height), SystemTime::now())
}

/// What a store kept. A picture is known by its own header, since not every store keeps media types.
///
/// # Errors
/// `Unprocessable` when the bytes are no picture.
pub(super) fn from_bytes(body: Bytes, written: Option<SystemTime>) -> Result<Rendition, Fault> {
    let header = probe(&body)?;
    Ok(of(body, header.format.media_type(), header.displayed_size(), written.unwrap_or_else(SystemTime::now)))
}

/// The validator is made of the bytes, so that it survives restarts and is the same from every tier.
fn of(body: Bytes, media_type: &str, (width, height): (u32, u32), last_modified: SystemTime) -> Rendition {
    let etag = EntityTag::new(&format!("{:032x}", xxh3_128(&body)));
    let content_type = media_type.to_owned();
    Rendition { body, content_type, etag, last_modified, width: Some(width), height: Some(height) }
}

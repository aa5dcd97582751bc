//! Originals, read whole for a render.

use bytes::Bytes;
use mortar_actors::storage::Loaded;
use mortar_actors::{Deadline, Fault};

use super::Pipeline;
use crate::domain::Location;

/// Bytes that own the permit they were admitted by: they count as buffered until the last use of them is over, also
/// when that is a render whose requester has left.
struct Admitted(Loaded);

/// Reads an original.
pub(super) async fn load(pipeline: &Pipeline, original: &Location, deadline: Deadline) -> Result<Bytes, Fault> {
    let Location { store, key } = original;
    let loaded = pipeline.storage.load(store, key, pipeline.settings.source_bytes, deadline).await?;
    Ok(Bytes::from_owner(Admitted(loaded)))
}

/// Fails as reading the original would, without reading it.
pub(super) async fn must_exist(pipeline: &Pipeline, original: &Location, deadline: Deadline) -> Result<(), Fault> {
    pipeline.storage.stat(&original.store, &original.key, deadline).await.map(drop)
}

impl AsRef<[u8]> for Admitted {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

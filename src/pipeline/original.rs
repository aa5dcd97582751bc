//! Originals, read whole for a render together with the permit that their bytes were admitted by.

use mortar_actors::storage::Loaded;
use mortar_actors::{Deadline, Fault};

use super::Pipeline;
use crate::domain::Location;

/// Reads an original. Its bytes count as buffered until the returned value is dropped.
pub(super) async fn load(pipeline: &Pipeline, original: &Location, deadline: Deadline) -> Result<Loaded, Fault> {
    let Location { store, key } = original;
    pipeline.storage.load(store, key, pipeline.settings.source_bytes, deadline).await
}

/// Fails as reading the original would, without reading it.
pub(super) async fn must_exist(pipeline: &Pipeline, original: &Location, deadline: Deadline) -> Result<(), Fault> {
    pipeline.storage.stat(&original.store, &original.key, deadline).await.map(drop)
}

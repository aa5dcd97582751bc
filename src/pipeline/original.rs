//! Objects as they are stored: opened for streaming, read whole for a render, or only asked for.

use bytes::Bytes;
use mortar_actors::storage::{Fetch, Stat};
use mortar_actors::{ByteRange, Deadline, Fault, FaultKind, Fetched, ObjectMeta};

use super::Pipeline;
use crate::domain::Location;

/// Opens an object, or a part of it, for streaming.
pub(super) async fn open(
    pipeline: &Pipeline,
    object: &Location,
    part: Option<ByteRange>,
    deadline: Deadline,
) -> Result<Fetched, Fault> {
    let fetch = Fetch { store: object.store.clone(), key: object.key.clone(), range: part };
    pipeline.storage.fetch(fetch, deadline).await
}

/// Reads an original whole, as a render needs it.
pub(super) async fn read_whole(pipeline: &Pipeline, object: &Location, deadline: Deadline) -> Result<Bytes, Fault> {
    let fetched = open(pipeline, object, None, deadline).await?;
    read_body(fetched, pipeline.settings.source_bytes, deadline).await
}

/// Reads the body of an opened object, within a limit and the deadline.
pub(super) async fn read_body(fetched: Fetched, limit_bytes: u64, deadline: Deadline) -> Result<Bytes, Fault> {
    tokio::time::timeout_at(deadline.instant(), fetched.body.collect(limit_bytes))
        .await
        .map_err(|_elapsed| Fault::new(FaultKind::TimedOut, "reading the object took too long"))?
}

/// Asks whether an object is there, and what it is.
pub(super) async fn stat(pipeline: &Pipeline, object: &Location, deadline: Deadline) -> Result<ObjectMeta, Fault> {
    let stat = Stat { store: object.store.clone(), key: object.key.clone() };
    pipeline.storage.stat(stat, deadline).await
}

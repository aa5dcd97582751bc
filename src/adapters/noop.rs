use async_trait::async_trait;
use futures::TryStreamExt;
use mortar_actors::storage::{ListPage, ListRequest, PutCondition, Store};
use mortar_actors::{Body, ByteRange, Fault, FaultKind, Fetched, ObjectKey, ObjectMeta};

use super::measured::measured;

/// A store that holds nothing: reads find nothing, writes succeed and vanish.
///
/// A written body is read to its end all the same, so that a broken upload fails here as it would elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopStore;

#[async_trait]
impl Store for NoopStore {
    async fn fetch(&self, _key: &ObjectKey, _range: Option<ByteRange>) -> Result<Fetched, Fault> {
        Err(nothing())
    }

    async fn stat(&self, _key: &ObjectKey) -> Result<ObjectMeta, Fault> {
        Err(nothing())
    }

    async fn put(
        &self,
        _key: &ObjectKey,
        meta: ObjectMeta,
        body: Body,
        _condition: &PutCondition,
    ) -> Result<ObjectMeta, Fault> {
        let read = measured(body, meta.length)
            .try_fold(0, |length, chunk| async move { Ok(length + chunk.len() as u64) })
            .await?;
        Ok(ObjectMeta { length: Some(read), ..meta })
    }

    async fn delete(&self, _key: &ObjectKey) -> Result<(), Fault> {
        Ok(())
    }

    async fn list(&self, _request: &ListRequest) -> Result<ListPage, Fault> {
        Err(Fault::new(FaultKind::Unsupported, "this store holds nothing that could be listed"))
    }

    async fn check(&self) -> Result<(), Fault> {
        Ok(())
    }
}

fn nothing() -> Fault {
    Fault::new(FaultKind::NotFound, "this store holds nothing")
}

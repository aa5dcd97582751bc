use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mortar_actors::storage::{ListPage, ListRequest, Listed, PutCondition, Store};
use mortar_actors::{Body, ByteRange, Fault, Fetched, ObjectKey, ObjectMeta};

/// Puts a fixed path before every key and leaves the rest to the store inside.
///
/// Keys are joined, never cleaned: whether `..` may stand in a key is for the store inside to say, and none of them
/// follows it upwards.
pub struct PrefixedStore {
    prefix: String,
    inner: Arc<dyn Store>,
}

impl PrefixedStore {
    /// Wraps `inner`. Slashes around `prefix` do not count; with an empty prefix `inner` comes back as it is.
    pub fn wrap(prefix: &str, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        match prefix.trim_matches('/') {
            "" => inner,
            prefix => Arc::new(Self { prefix: prefix.to_owned(), inner }),
        }
    }

    fn inside(&self, key: &ObjectKey) -> ObjectKey {
        ObjectKey::new(format!("{}/{key}", self.prefix))
    }
}

#[async_trait]
impl Store for PrefixedStore {
    async fn fetch(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Fetched, Fault> {
        self.inner.fetch(&self.inside(key), range).await
    }

    async fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, Fault> {
        self.inner.stat(&self.inside(key)).await
    }

    async fn put(
        &self,
        key: &ObjectKey,
        meta: ObjectMeta,
        body: Body,
        condition: &PutCondition,
    ) -> Result<ObjectMeta, Fault> {
        self.inner.put(&self.inside(key), meta, body, condition).await
    }

    async fn put_derived(&self, key: &ObjectKey, meta: ObjectMeta, body: Bytes) -> Result<(), Fault> {
        self.inner.put_derived(&self.inside(key), meta, body).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), Fault> {
        self.inner.delete(&self.inside(key)).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, Fault> {
        let inside = |text: &str| format!("{}/{text}", self.prefix);
        let asked = ListRequest {
            prefix: inside(&request.prefix),
            start_after: request.start_after.as_deref().map(inside),
            ..request.clone()
        };
        let page = self.inner.list(&asked).await?;
        let outside = |text: &str| text.get(self.prefix.len() + 1..).unwrap_or_default().to_owned();
        let strip = |listed: Listed| Listed { key: ObjectKey::new(outside(listed.key.as_str())), ..listed };
        Ok(ListPage {
            objects: page.objects.into_iter().map(strip).collect(),
            prefixes: page.prefixes.iter().map(|prefix| outside(prefix)).collect(),
            next: page.next.as_deref().map(outside),
        })
    }

    async fn link(&self, key: &ObjectKey, lasting: Duration) -> Result<Option<String>, Fault> {
        self.inner.link(&self.inside(key), lasting).await
    }

    async fn check(&self) -> Result<(), Fault> {
        self.inner.check().await
    }
}

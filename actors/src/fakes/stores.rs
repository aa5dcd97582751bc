use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};

use super::{Counted, Gauge, Script};
use crate::fault::{Fault, FaultKind};
use crate::storage::{ListPage, ListRequest, OpenStore, PageDraft, Place, PutCondition, Store};
use crate::vocab::{Body, ByteRange, ByteStream, Fetched, ObjectKey, ObjectMeta, StoreId};

/// Any number of stores that share one set of objects, with a script for each object, store and opening.
#[derive(Default)]
pub struct FakeStores {
    objects: Mutex<HashMap<ObjectKey, Vec<Bytes>>>,
    keys: Mutex<HashMap<ObjectKey, Script>>,
    bodies: Mutex<HashMap<ObjectKey, Script>>,
    stores: Mutex<HashMap<StoreId, Script>>,
    openings: Mutex<VecDeque<Script>>,
    /// Openings begun.
    pub opens: Gauge,
    /// Clients alive.
    pub clients: Gauge,
    /// Calls begun.
    pub calls: Gauge,
    /// Calls under way.
    pub running: Gauge,
    /// Streamed bodies that are neither read to their end nor dropped.
    pub open_bodies: Gauge,
    /// Health checks begun.
    pub checks: Gauge,
}

struct FakeClient {
    id: StoreId,
    all: Arc<FakeStores>,
    _alive: Counted,
}

/// A factory of clients, so that `Arc<FakeStores>` can be both looked at and opened from.
struct Opener(Arc<FakeStores>);

impl FakeStores {
    /// Stores without objects that work.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What the storage actor opens clients from.
    pub fn opener(self: &Arc<Self>) -> Arc<dyn OpenStore> {
        Arc::new(Opener(Arc::clone(self)))
    }

    /// Adds an object that is streamed in these chunks.
    pub fn object(&self, key: &str, chunks: &[&'static [u8]]) {
        self.replace(key, chunks.iter().map(|chunk| Bytes::from_static(chunk)).collect());
    }

    /// Puts an object that is streamed in these chunks in the place of another, behind the back of its store.
    pub fn replace(&self, key: &str, chunks: Vec<Bytes>) {
        self.objects.lock().expect("no test panics inside a fake").insert(ObjectKey::new(key), chunks);
    }

    /// Removes the objects whose names begin with that, behind the back of their store.
    pub fn remove_beginning(&self, text: &str) {
        self.objects.lock().expect("no test panics inside a fake").retain(|key, _| !key.as_str().starts_with(text));
    }

    /// The bytes of an object, if there is one.
    pub fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        let objects = self.objects.lock().expect("no test panics inside a fake");
        objects.get(&ObjectKey::new(key)).map(|chunks| chunks.concat())
    }

    /// What calls for that key do.
    pub fn script_key(&self, key: &str, script: Script) {
        self.keys.lock().expect("no test panics inside a fake").insert(ObjectKey::new(key), script);
    }

    /// What bodies of that key do between their first chunk and the next.
    pub fn script_body(&self, key: &str, script: Script) {
        self.bodies.lock().expect("no test panics inside a fake").insert(ObjectKey::new(key), script);
    }

    /// What calls and health checks of that store do.
    pub fn script_store(&self, store: &str, script: Script) {
        self.stores.lock().expect("no test panics inside a fake").insert(StoreId::new(store), script);
    }

    /// Forgets all scripts: everything works from now on.
    pub fn mend(&self) {
        self.keys.lock().expect("no test panics inside a fake").clear();
        self.bodies.lock().expect("no test panics inside a fake").clear();
        self.stores.lock().expect("no test panics inside a fake").clear();
        self.openings.lock().expect("no test panics inside a fake").clear();
    }

    /// What the next opening that has no script yet does.
    pub fn script_next_opening(&self, script: Script) {
        self.openings.lock().expect("no test panics inside a fake").push_back(script);
    }
}

#[async_trait]
impl OpenStore for Opener {
    async fn open(&self, id: &StoreId) -> Result<Arc<dyn Store>, Fault> {
        self.0.opens.increment();
        let script = self.0.openings.lock().expect("no test panics inside a fake").pop_front();
        script.unwrap_or_default().play().await?;
        tokio::task::yield_now().await;
        Ok(Arc::new(FakeClient { id: id.clone(), all: Arc::clone(&self.0), _alive: self.0.clients.count() }))
    }
}

impl FakeClient {
    async fn play(&self, key: &ObjectKey) -> Result<(), Fault> {
        self.all.calls.increment();
        let _running = self.all.running.count();
        let of_store = self.all.stores.lock().expect("no test panics inside a fake").get(&self.id).cloned();
        of_store.unwrap_or_default().play().await?;
        let of_key = self.all.keys.lock().expect("no test panics inside a fake").get(key).cloned();
        of_key.unwrap_or_default().play().await
    }

    fn chunks(&self, key: &ObjectKey) -> Result<Vec<Bytes>, Fault> {
        let objects = self.all.objects.lock().expect("no test panics inside a fake");
        objects.get(key).cloned().ok_or_else(|| Fault::new(FaultKind::NotFound, "there is no such object"))
    }
}

#[async_trait]
impl Store for FakeClient {
    async fn fetch(&self, key: &ObjectKey, _range: Option<ByteRange>) -> Result<Fetched, Fault> {
        self.play(key).await?;
        let chunks = self.chunks(key)?;
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let open = self.all.open_bodies.count();
        let script = self.all.bodies.lock().expect("no test panics inside a fake").get(key).cloned();
        let chunks = stream::iter(chunks.into_iter().enumerate()).then(move |(place, chunk)| {
            let script = script.clone().filter(|_| place == 1).unwrap_or_default();
            let _open = &open;
            async move { script.play().await.map(|()| chunk) }
        });
        let meta = ObjectMeta { length: Some(length), ..ObjectMeta::default() };
        Ok(Fetched { meta, part: None, body: Body::Stream(ByteStream::new(Some(length), chunks)) })
    }

    async fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, Fault> {
        self.play(key).await?;
        let length = self.chunks(key)?.iter().map(|chunk| chunk.len() as u64).sum();
        Ok(ObjectMeta { length: Some(length), ..ObjectMeta::default() })
    }

    /// Its objects have no validators, so none is ever matched.
    async fn put(
        &self,
        key: &ObjectKey,
        meta: ObjectMeta,
        body: Body,
        condition: &PutCondition,
    ) -> Result<ObjectMeta, Fault> {
        self.play(key).await?;
        let bytes = body.collect(u64::MAX).await?;
        let mut objects = self.all.objects.lock().expect("no test panics inside a fake");
        let holds = match condition {
            PutCondition::None => true,
            PutCondition::IfAbsent => !objects.contains_key(key),
            PutCondition::IfMatch(_) => false,
        };
        if !holds {
            return Err(Fault::new(FaultKind::PreconditionFailed, "the object is another"));
        }
        objects.insert(key.clone(), vec![bytes]);
        Ok(meta)
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), Fault> {
        self.play(key).await?;
        self.all.objects.lock().expect("no test panics inside a fake").remove(key);
        Ok(())
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, Fault> {
        self.play(&ObjectKey::new("")).await?;
        let objects = self.all.objects.lock().expect("no test panics inside a fake");
        let mut keys: Vec<_> = objects.keys().collect();
        keys.sort();
        let mut draft = PageDraft::new(request);
        for key in keys {
            match draft.place(key.as_str()) {
                Place::Object => draft.add(key.clone(), ObjectMeta::default()),
                Place::Elsewhere => {}
                Place::NextPage => break,
            }
        }
        Ok(draft.finish())
    }

    async fn check(&self) -> Result<(), Fault> {
        self.all.checks.increment();
        let of_store = self.all.stores.lock().expect("no test panics inside a fake").get(&self.id).cloned();
        of_store.unwrap_or_default().play().await
    }
}

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::actor::{Delete, Fetch, Link, List, Load, Put, PutBack, Stat, Storage};
use super::roster::Roster;
use super::{ListPage, ListRequest, OpenStore, PutCondition, Reachability, StorageSettings};
use crate::fault::{Fault, FaultKind};
use crate::gate::{Gate, Permit};
use crate::handle::Door;
use crate::tree::TreeBuilder;
use crate::vocab::{Body, ByteRange, Deadline, Fetched, ObjectKey, ObjectMeta, StoreId};
use crate::wait::within;

/// The way to all stores. Cheap to clone.
#[derive(Clone)]
pub struct StorageHandle {
    pub(crate) door: Door<Storage>,
    gates: Gates,
    roster: Arc<Roster>,
}

#[derive(Clone)]
struct Gates {
    reads: Gate,
    streams: Gate,
    writes: Gate,
    write_backs: Gate,
    notes: Gate,
    buffered: Gate,
}

/// An object held whole in memory, together with the permit for its bytes.
#[derive(Debug)]
pub struct Loaded {
    /// What the store knows of it.
    pub meta: ObjectMeta,
    /// All of its bytes.
    pub bytes: Bytes,
    /// Counts the bytes as buffered; to be dropped together with them.
    pub buffered: Permit,
}

impl StorageHandle {
    /// Reads an object or one range of it for a client, in one round trip. It counts as under way until the body has been
    /// read to its end or dropped; the deadline covers it up to the body. A reader that pauses for too long between two
    /// chunks, or takes too few bytes a second, loses the body and hears `TimedOut`.
    ///
    /// # Errors
    /// As [`Store::fetch`](super::Store::fetch) and [`Door::ask`]; `Upstream` at once, with the time to wait, while
    /// the store is given a rest after repeated failures.
    pub async fn fetch(
        &self,
        store: &StoreId,
        key: &ObjectKey,
        range: Option<ByteRange>,
        deadline: Deadline,
    ) -> Result<Fetched, Fault> {
        let fetch = Fetch { store: store.clone(), key: key.clone(), range };
        self.door.ask(&self.gates.streams, fetch, deadline).await
    }

    /// Reads a whole object of at most `limit` bytes into memory, admitted by its size, or by `limit` where the store
    /// does not tell the size.
    ///
    /// # Errors
    /// As [`StorageHandle::fetch`]; `TooLarge` beyond `limit`, judged before reading where the size is known;
    /// `Overloaded` when too many bytes are buffered already; `TimedOut` when the body does not end in time.
    pub async fn load(
        &self,
        store: &StoreId,
        key: &ObjectKey,
        limit: u64,
        deadline: Deadline,
    ) -> Result<Loaded, Fault> {
        let load = Load { store: store.clone(), key: key.clone() };
        let (Fetched { meta, body, .. }, _reading) = self.door.ask(&self.gates.reads, load, deadline).await?;
        let expected = body.length().unwrap_or(limit);
        if expected > limit {
            return Err(Fault::new(FaultKind::TooLarge, format!("the object is larger than {limit} bytes")));
        }
        let buffered = self.gates.buffered.enter(expected, deadline).await?;
        let bytes = within(deadline, body.collect(limit)).await??;
        Ok(Loaded { meta, bytes, buffered })
    }

    /// Tells what `fetch` would, without the body.
    ///
    /// # Errors
    /// As [`StorageHandle::fetch`].
    pub async fn stat(&self, store: &StoreId, key: &ObjectKey, deadline: Deadline) -> Result<ObjectMeta, Fault> {
        let stat = Stat { store: store.clone(), key: key.clone() };
        self.door.ask(&self.gates.reads, stat, deadline).await
    }

    /// Writes an object for a user, whole or not at all, if `condition` holds, and tells what was written. A body that is
    /// all here is written even if the requester leaves; one that streams is dropped with it.
    ///
    /// # Errors
    /// As [`Store::put`](super::Store::put) and [`Door::ask`].
    pub async fn put(
        &self,
        store: &StoreId,
        key: &ObjectKey,
        meta: ObjectMeta,
        body: Body,
        condition: PutCondition,
        deadline: Deadline,
    ) -> Result<ObjectMeta, Fault> {
        let put = Put { store: store.clone(), key: key.clone(), meta, body, condition };
        self.door.ask(&self.gates.writes, put, deadline).await
    }

    /// Writes a finished result, or what belongs to it; that has a gate of its own, so that results never crowd out users.
    ///
    /// # Errors
    /// As [`Store::put_derived`](super::Store::put_derived) and [`Door::ask`].
    pub(crate) async fn put_back(
        &self,
        store: StoreId,
        key: ObjectKey,
        meta: ObjectMeta,
        body: Bytes,
        deadline: Deadline,
    ) -> Result<(), Fault> {
        self.door.ask(&self.gates.write_backs, PutBack { store, key, meta, body }, deadline).await
    }

    /// Writes the empty object by whose name a finished result is found, by the gate of those.
    ///
    /// # Errors
    /// As [`Store::put_derived`](super::Store::put_derived) and [`Door::ask`].
    pub(crate) async fn mark_back(&self, store: StoreId, key: ObjectKey, deadline: Deadline) -> Result<(), Fault> {
        self.door.ask(&self.gates.write_backs, PutBack::name_alone(store, key), deadline).await
    }

    /// Removes one object; removing what does not exist succeeds. It is finished even if the requester leaves.
    ///
    /// # Errors
    /// As [`Store::delete`](super::Store::delete) and [`Door::ask`].
    pub async fn delete(&self, store: &StoreId, key: &ObjectKey, deadline: Deadline) -> Result<(), Fault> {
        let delete = Delete { store: store.clone(), key: key.clone() };
        self.door.ask(&self.gates.writes, delete, deadline).await
    }

    /// Lists one page of a store's entries, in order.
    ///
    /// # Errors
    /// As [`Store::list`](super::Store::list) and [`Door::ask`].
    pub async fn list(&self, store: &StoreId, request: ListRequest, deadline: Deadline) -> Result<ListPage, Fault> {
        let list = List { store: store.clone(), request };
        self.door.ask(&self.gates.reads, list, deadline).await
    }

    /// A URL at which whoever has it may read an object from the store itself, where the store gives one.
    ///
    /// # Errors
    /// As [`Store::link`](super::Store::link) and [`Door::ask`].
    pub async fn link(
        &self,
        store: &StoreId,
        key: &ObjectKey,
        lasting: Duration,
        deadline: Deadline,
    ) -> Result<Option<String>, Fault> {
        let link = Link { store: store.clone(), key: key.clone(), lasting };
        self.door.ask(&self.gates.reads, link, deadline).await
    }

    /// Removes a finished result, or what belongs to it, by the gate of those: however many clients upload, and however
    /// slowly, old results go.
    ///
    /// # Errors
    /// As [`Store::delete`](super::Store::delete) and [`Door::ask`].
    pub async fn delete_back(&self, store: &StoreId, key: &ObjectKey, deadline: Deadline) -> Result<(), Fault> {
        let delete = Delete { store: store.clone(), key: key.clone() };
        self.door.ask(&self.gates.write_backs, delete, deadline).await
    }

    /// Writes an empty object whose name tells of a change by a user. Notes have a gate of their own, as wide as the one of
    /// the changes: they wait for no result that is being written, and no result for them.
    ///
    /// # Errors
    /// As [`Store::put_derived`](super::Store::put_derived) and [`Door::ask`].
    pub async fn note(&self, store: &StoreId, key: &ObjectKey, deadline: Deadline) -> Result<(), Fault> {
        self.door.ask(&self.gates.notes, PutBack::name_alone(store.clone(), key.clone()), deadline).await
    }

    /// Removes what [`StorageHandle::note`] wrote, by the same gate.
    ///
    /// # Errors
    /// As [`Store::delete`](super::Store::delete) and [`Door::ask`].
    pub async fn strike_out(&self, store: &StoreId, key: &ObjectKey, deadline: Deadline) -> Result<(), Fault> {
        let delete = Delete { store: store.clone(), key: key.clone() };
        self.door.ask(&self.gates.notes, delete, deadline).await
    }

    /// Which of the stores in use answer, as far as the last calls and health checks tell. Costs no message.
    pub fn reachable(&self) -> Reachability {
        self.roster.reachable()
    }
}

impl TreeBuilder {
    /// Adds the storage actor. `stores` builds the client of a store on its first use.
    pub fn storage(&mut self, settings: StorageSettings, stores: Arc<dyn OpenStore>) -> StorageHandle {
        let gates = Gates {
            reads: Gate::counting("reads", settings.reads),
            streams: Gate::counting("streams", settings.streams),
            writes: Gate::counting("writes", settings.writes),
            write_backs: Gate::counting("write-backs", settings.write_backs),
            notes: Gate::counting("notes", settings.writes),
            buffered: Gate::bytes("bytes of bodies", settings.buffered_bytes).waiting_at_most(settings.reads),
        };
        let Gates { reads, streams, writes, write_backs, notes, buffered } = gates.clone();
        let listed = vec![reads, streams, writes, write_backs, notes, buffered];
        let roster = Arc::new(Roster::new(settings.max_clients, gates.reads.clone()));
        let published = Arc::clone(&roster);
        let observed = Arc::clone(&roster);
        let door = self.observed_actor("storage", listed, Some(observed), move || {
            Storage::new(settings.clone(), Arc::clone(&stores), Arc::clone(&published))
        });
        StorageHandle { door, gates, roster }
    }
}

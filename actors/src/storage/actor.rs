use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;

use super::attended::{Diligence, attended};
use super::client::Client;
use super::roster::Roster;
use super::{ListPage, ListRequest, OpenStore, PutCondition, StorageSettings};
use crate::handle::Ask;
use crate::host::{Serve, State, Work};
use crate::ticket::{Hold, Ticket};
use crate::vocab::{Body, ByteRange, Fetched, ObjectKey, ObjectMeta, StoreId};

/// The actor's state: which stores have a client, most recently used first.
pub(crate) struct Storage {
    settings: StorageSettings,
    stores: Arc<dyn OpenStore>,
    roster: Arc<Roster>,
    clients: LruCache<StoreId, Arc<Client>>,
}

pub(super) struct Fetch {
    pub(super) store: StoreId,
    pub(super) key: ObjectKey,
    pub(super) range: Option<ByteRange>,
}

/// Asks for a whole object that is read at once, by this service itself. The read is under way until the hold is dropped.
pub(super) struct Load {
    pub(super) store: StoreId,
    pub(super) key: ObjectKey,
}

pub(super) struct Stat {
    pub(super) store: StoreId,
    pub(super) key: ObjectKey,
}

pub(super) struct Put {
    pub(super) store: StoreId,
    pub(super) key: ObjectKey,
    pub(super) meta: ObjectMeta,
    pub(super) body: Body,
    pub(super) condition: PutCondition,
}

pub(super) struct PutBack {
    pub(super) store: StoreId,
    pub(super) key: ObjectKey,
    pub(super) meta: ObjectMeta,
    pub(super) body: Bytes,
}

pub(super) struct Delete {
    pub(super) store: StoreId,
    pub(super) key: ObjectKey,
}

pub(super) struct List {
    pub(super) store: StoreId,
    pub(super) request: ListRequest,
}

pub(super) struct Link {
    pub(super) store: StoreId,
    pub(super) key: ObjectKey,
    pub(super) lasting: Duration,
}

impl PutBack {
    /// An empty object, which says all by its name.
    pub(super) fn name_alone(store: StoreId, key: ObjectKey) -> Self {
        let meta = ObjectMeta { length: Some(0), ..ObjectMeta::default() };
        Self { store, key, meta, body: Bytes::new() }
    }
}

impl Ask for Fetch {
    type Reply = Fetched;
}

impl Ask for Load {
    type Reply = (Fetched, Hold);
}

impl Ask for Stat {
    type Reply = ObjectMeta;
}

impl Ask for Put {
    type Reply = ObjectMeta;
}

impl Ask for PutBack {
    type Reply = ();
}

impl Ask for Delete {
    type Reply = ();
}

impl Ask for Link {
    type Reply = Option<String>;
}

impl Ask for List {
    type Reply = ListPage;
}

impl Storage {
    pub(super) fn new(settings: StorageSettings, stores: Arc<dyn OpenStore>, roster: Arc<Roster>) -> Self {
        let clients = LruCache::new(NonZeroUsize::new(settings.max_clients).unwrap_or(NonZeroUsize::MIN));
        Self { settings, stores, roster, clients }
    }

    /// The client of a store, made room for if it is new. It is built by the first call, not here.
    fn client(&mut self, store: &StoreId) -> Arc<Client> {
        if let Some(client) = self.clients.get(store) {
            client.touch();
            return Arc::clone(client);
        }
        let (stores, counters) = (Arc::clone(&self.stores), Arc::clone(&self.roster.counters));
        let client = Arc::new(Client::new(store.clone(), stores, counters, self.settings.breaker));
        if self.clients.push(store.clone(), Arc::clone(&client)).is_some() {
            self.roster.counters.evicted.fetch_add(1, Relaxed);
        }
        self.publish();
        client
    }

    /// Tells the list of clients to whoever looks; it also lets go of the clients that are no longer in it.
    fn publish(&self) {
        self.roster.publish(self.clients.iter().map(|(_, client)| Arc::clone(client)).collect());
    }

    fn close_idle(&mut self) {
        let limit = self.settings.client_idle;
        // The list is ordered by use, so the idle ones stand at its end.
        while self.clients.peek_lru().is_some_and(|(_, client)| client.idle() >= limit) {
            self.clients.pop_lru();
            self.roster.counters.idle_closed.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Storage {
    /// The published list must not keep clients alive when their owner is gone.
    fn drop(&mut self) {
        self.roster.publish(Vec::new());
    }
}

impl State for Storage {
    fn tick_every(&self) -> Option<Duration> {
        Some(self.settings.health_interval)
    }

    fn tick(&mut self) {
        self.close_idle();
        self.publish();
        let timeout = self.settings.health_timeout.min(self.settings.health_interval);
        for (_, client) in &self.clients {
            // Ended by its own time-out before the next tick, so there is at most one check of a client at a time.
            let client = Arc::clone(client);
            drop(tokio::spawn(async move { client.check(timeout).await }));
        }
    }
}

impl Serve<Fetch> for Storage {
    fn serve(&mut self, ask: Fetch, ticket: &Ticket) -> Work<Fetched> {
        let client = self.client(&ask.store);
        let (deadline, incident, reading) = (ticket.deadline(), ticket.incident(), ticket.hold());
        let StorageSettings { reader_patience: patience, reader_min_rate: min_rate, .. } = self.settings;
        Work::later(async move {
            let fetch = |store: Arc<dyn super::Store>| async move { store.fetch(&ask.key, ask.range).await };
            let fetched = client.call(deadline, &incident, fetch).await?;
            Ok(Fetched { body: attended(fetched.body, Diligence { patience, min_rate }, reading), ..fetched })
        })
    }
}

impl Serve<Load> for Storage {
    fn serve(&mut self, ask: Load, ticket: &Ticket) -> Work<(Fetched, Hold)> {
        let client = self.client(&ask.store);
        let (deadline, incident, reading) = (ticket.deadline(), ticket.incident(), ticket.hold());
        Work::later(async move {
            let fetch = |store: Arc<dyn super::Store>| async move { store.fetch(&ask.key, None).await };
            Ok((client.call(deadline, &incident, fetch).await?, reading))
        })
    }
}

impl Serve<Stat> for Storage {
    fn serve(&mut self, ask: Stat, ticket: &Ticket) -> Work<ObjectMeta> {
        let (client, deadline, incident) = (self.client(&ask.store), ticket.deadline(), ticket.incident());
        Work::later(
            async move { client.call(deadline, &incident, |store| async move { store.stat(&ask.key).await }).await },
        )
    }
}

impl Serve<Put> for Storage {
    /// A write whose bytes are all here is finished, whoever leaves; one that still streams from a requester that left
    /// is dropped, which leaves the old object whole.
    fn serve(&mut self, ask: Put, ticket: &Ticket) -> Work<ObjectMeta> {
        let (client, deadline, incident) = (self.client(&ask.store), ticket.deadline(), ticket.incident());
        let streams = matches!(ask.body, Body::Stream(_));
        let write = async move {
            let put = |store: Arc<dyn super::Store>| async move {
                store.put(&ask.key, ask.meta, ask.body, &ask.condition).await
            };
            client.call(deadline, &incident, put).await
        };
        if streams { Work::later(write) } else { Work::kept(write) }
    }
}

impl Serve<PutBack> for Storage {
    fn serve(&mut self, ask: PutBack, ticket: &Ticket) -> Work<()> {
        let (client, deadline, incident) = (self.client(&ask.store), ticket.deadline(), ticket.incident());
        Work::kept(async move {
            let put =
                |store: Arc<dyn super::Store>| async move { store.put_derived(&ask.key, ask.meta, ask.body).await };
            client.call(deadline, &incident, put).await
        })
    }
}

impl Serve<Delete> for Storage {
    fn serve(&mut self, ask: Delete, ticket: &Ticket) -> Work<()> {
        let (client, deadline, incident) = (self.client(&ask.store), ticket.deadline(), ticket.incident());
        Work::kept(async move {
            client.call(deadline, &incident, |store| async move { store.delete(&ask.key).await }).await
        })
    }
}

impl Serve<List> for Storage {
    fn serve(&mut self, ask: List, ticket: &Ticket) -> Work<ListPage> {
        let (client, deadline, incident) = (self.client(&ask.store), ticket.deadline(), ticket.incident());
        Work::later(async move {
            client.call(deadline, &incident, |store| async move { store.list(&ask.request).await }).await
        })
    }
}

impl Serve<Link> for Storage {
    fn serve(&mut self, ask: Link, ticket: &Ticket) -> Work<Option<String>> {
        let (client, deadline, incident) = (self.client(&ask.store), ticket.deadline(), ticket.incident());
        Work::later(async move {
            client.call(deadline, &incident, |store| async move { store.link(&ask.key, ask.lasting).await }).await
        })
    }
}

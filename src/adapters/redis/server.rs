use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{
    AsyncConnectionConfig, Cmd, ConnectionInfo, FromRedisValue, Pipeline, RedisFuture, RedisResult, Value,
};
use deadpool_redis::{Runtime, cluster};
use mortar_actors::{Fault, FaultKind};

use super::faults::{breaks_connection, cluster_unconnected, failed, unconnected};
use super::{RedisStats, connect};
use crate::config::{RedisConfig, RedisTopology};

/// A Redis server or cluster behind a bounded pool of connections. Connections are opened when first needed.
pub struct RedisServer {
    pool: Pool,
    key_prefix: String,
    opened: Arc<AtomicU64>,
    operations: AtomicU64,
    failures: AtomicU64,
}

#[derive(Clone)]
enum Pool {
    Single(deadpool_redis::Pool),
    Cluster(cluster::Pool),
}

/// A connection that goes back to the pool when dropped.
pub(super) enum Borrowed {
    Single(deadpool_redis::Connection),
    Cluster(cluster::Connection),
}

/// One command, or several in one round trip.
pub(super) trait Question {
    fn ask<T: FromRedisValue>(&self, connection: &mut Borrowed) -> impl Future<Output = RedisResult<T>> + Send;
}

impl RedisServer {
    /// Takes the configuration; nothing is connected yet.
    ///
    /// # Errors
    /// `Invalid` when the file of certificates cannot be read or holds none.
    pub fn new(config: &RedisConfig) -> Result<Self, Fault> {
        let opened = Arc::<AtomicU64>::default();
        let pool = Pool::new(config, connect::servers(config)?, &opened)?;
        Ok(Self {
            pool,
            key_prefix: config.key_prefix.clone(),
            opened,
            operations: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// The connections and what they did, on behalf of `user`.
    pub fn stats(&self, user: &'static str) -> RedisStats {
        let pool = match &self.pool {
            Pool::Single(pool) => pool.status(),
            Pool::Cluster(pool) => pool.status(),
        };
        RedisStats {
            user,
            connections: pool.size,
            idle: pool.available,
            max_connections: pool.max_size,
            waiting: pool.waiting,
            opened: self.opened.load(Relaxed),
            operations: self.operations.load(Relaxed),
            failures: self.failures.load(Relaxed),
            announcements: None,
        }
    }

    /// The name by which something of ours is kept.
    pub(super) fn name(&self, kind: &str, of: &str) -> String {
        format!("{}:{kind}:{of}", self.key_prefix)
    }

    /// Asks on a connection of the pool. Dropping the future gives the connection back; it is tried before it is used
    /// again.
    pub(super) async fn ask<T: FromRedisValue>(&self, question: &impl Question) -> Result<T, Fault> {
        self.operations.fetch_add(1, Relaxed);
        let answer = self.ask_uncounted(question).await;
        if answer.is_err() {
            self.failures.fetch_add(1, Relaxed);
        }
        answer
    }

    async fn ask_uncounted<T: FromRedisValue>(&self, question: &impl Question) -> Result<T, Fault> {
        let mut connection = self.pool.clone().borrow().await?;
        match question.ask(&mut connection).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                if breaks_connection(&error) {
                    connection.discard();
                }
                Err(failed(error))
            }
        }
    }
}

impl Pool {
    fn new(config: &RedisConfig, servers: Vec<ConnectionInfo>, opened: &Arc<AtomicU64>) -> Result<Self, Fault> {
        let counter = Arc::clone(opened);
        let (connect, wait) = (Some(config.connect_timeout), Some(config.wait_timeout));
        let unusable = |why: String| Fault::new(FaultKind::Invalid, format!("the Redis cannot be used: {why}"));
        match config.topology {
            RedisTopology::Single => {
                let settings = AsyncConnectionConfig::new().set_connection_timeout(connect).set_response_timeout(None);
                let server = servers.into_iter().next().ok_or_else(|| unusable("it has no address".to_owned()))?;
                let manager = deadpool_redis::Manager::new_with_config(server, settings);
                deadpool_redis::Pool::builder(manager.map_err(|why| unusable(why.to_string()))?)
                    .runtime(Runtime::Tokio1)
                    .max_size(config.connections)
                    .wait_timeout(wait)
                    .create_timeout(connect)
                    .recycle_timeout(wait)
                    .post_create(deadpool_redis::Hook::sync_fn(move |_, _| {
                        counter.fetch_add(1, Relaxed);
                        Ok(())
                    }))
                    .build()
                    .map(Self::Single)
                    .map_err(|why| unusable(why.to_string()))
            }
            RedisTopology::Cluster => {
                let manager = cluster::Manager::new(servers, false);
                cluster::Pool::builder(manager.map_err(|why| unusable(why.to_string()))?)
                    .runtime(Runtime::Tokio1)
                    .max_size(config.connections)
                    .wait_timeout(wait)
                    .create_timeout(connect)
                    .recycle_timeout(wait)
                    .post_create(cluster::Hook::sync_fn(move |_, _| {
                        counter.fetch_add(1, Relaxed);
                        Ok(())
                    }))
                    .build()
                    .map(Self::Cluster)
                    .map_err(|why| unusable(why.to_string()))
            }
        }
    }

    /// A connection that was just tried, or a new one. Opening goes on when the asker has given up: the next one will
    /// have use for it. The pool bounds how many are opened, and for how long.
    async fn borrow(self) -> Result<Borrowed, Fault> {
        let borrowing = tokio::spawn(async move {
            match self {
                Self::Single(pool) => pool.get().await.map(Borrowed::Single).map_err(unconnected),
                Self::Cluster(pool) => pool.get().await.map(Borrowed::Cluster).map_err(cluster_unconnected),
            }
        });
        let gone = |_| Err(Fault::new(FaultKind::Upstream, "the shared Redis cannot be reached"));
        borrowing.await.unwrap_or_else(gone)
    }
}

impl Borrowed {
    /// Closes the connection instead of giving it back.
    fn discard(self) {
        match self {
            Self::Single(connection) => drop(deadpool_redis::Connection::take(connection)),
            Self::Cluster(connection) => drop(cluster::Connection::take(connection)),
        }
    }
}

impl ConnectionLike for Borrowed {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

impl Question for Cmd {
    fn ask<T: FromRedisValue>(&self, connection: &mut Borrowed) -> impl Future<Output = RedisResult<T>> + Send {
        self.query_async(connection)
    }
}

impl Question for Pipeline {
    fn ask<T: FromRedisValue>(&self, connection: &mut Borrowed) -> impl Future<Output = RedisResult<T>> + Send {
        self.query_async(connection)
    }
}

//! Carrying a plan out at a pace, over a number of connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Connection, Farewell, Head};
use crate::pace::{Pace, Turn};
use crate::plan::{Manner, Plan};
use crate::record::Recorder;

/// How long a client waits that could not connect, so that a server that is gone is not asked in a tight loop.
const REST: Duration = Duration::from_millis(20);

/// One stretch of load.
#[derive(Debug)]
pub(crate) struct Run {
    address: SocketAddr,
    plan: Plan,
    patience: Duration,
    pub(crate) pace: Pace,
    pub(crate) recorder: Recorder,
    /// Clients that read one byte a second have connections of their own, as many again at most.
    slow: Arc<Semaphore>,
}

impl Run {
    pub(crate) fn new(address: SocketAddr, plan: Plan, pace: Pace, patience: Duration) -> Arc<Self> {
        let (recorder, slow) = (Recorder::new(), Arc::new(Semaphore::new(0)));
        Arc::new(Self { address, plan, patience, pace, recorder, slow })
    }

    /// Opens all connections, then asks until the pace has no more turns. Gives the time from the first request until
    /// the last client that waits for its answer has it.
    ///
    /// # Errors
    /// When a connection cannot be opened at the begin: the server is not there, or does not take that many.
    pub(crate) async fn carry_out(self: &Arc<Self>, connections: usize) -> io::Result<Duration> {
        self.slow.add_permits(connections);
        let mut opened = Vec::with_capacity(connections);
        for _ in 0..connections {
            opened.push(timeout(self.patience, Connection::open(self.address)).await??);
        }
        let start = Arc::new(Barrier::new(connections + 1));
        let mut clients = JoinSet::new();
        for connection in opened {
            let (run, start) = (Arc::clone(self), Arc::clone(&start));
            clients.spawn(async move {
                start.wait().await;
                run.client(connection).await;
            });
        }
        start.wait().await;
        let begun = Instant::now();
        while let Some(ended) = clients.join_next().await {
            ended.map_err(io::Error::other)?;
        }
        let took = begun.elapsed();
        // The slow ones are through when all their places are free again.
        let places = u32::try_from(connections).map_err(io::Error::other)?;
        drop(self.slow.acquire_many(places).await.map_err(io::Error::other)?);
        Ok(took)
    }

    /// Asks again and again.
    async fn client(self: Arc<Self>, connection: Connection) {
        let begun = Instant::now();
        let mut kept = Some(connection);
        while let Some(turn) = self.pace.turn(begun).await {
            self.recorder.late(turn.late);
            let ask = self.plan.ask(turn.number);
            if let Manner::Trickles(time) = ask.manner
                && let Ok(place) = Arc::clone(&self.slow).try_acquire_owned()
            {
                let run = Arc::clone(&self);
                tokio::spawn(async move {
                    run.trickle(&ask.request, time).await;
                    drop(place);
                });
                continue;
            }
            let connection = match kept.take() {
                Some(connection) => connection,
                None => match self.connect().await {
                    Ok(connection) => connection,
                    Err(error) => {
                        self.recorder.failed(&error);
                        sleep(REST).await;
                        continue;
                    }
                },
            };
            kept = self.ask(connection, ask.request.as_bytes(), ask.manner, turn).await;
        }
    }

    /// One request. Gives the connection back if it can be used again.
    async fn ask(&self, connection: Connection, request: &[u8], manner: Manner, turn: Turn) -> Option<Connection> {
        match manner {
            // There are as many slow clients as there may be: this one reads as others do.
            Manner::Patient | Manner::Trickles(_) => self.wait(connection, request, turn).await,
            Manner::LeavesBefore(after, farewell) => {
                self.leave_before(connection, request, after, farewell).await;
                None
            }
            Manner::LeavesWithin(share, farewell) => {
                self.leave_within(connection, request, share.0, farewell).await;
                None
            }
            Manner::Impatient(time) => {
                // What is dropped here closes its connection.
                let waited = timeout(time, self.wait(connection, request, turn)).await;
                waited.unwrap_or_else(|_| {
                    self.recorder.left(|left| left.timed_out += 1);
                    None
                })
            }
        }
    }

    async fn wait(&self, mut connection: Connection, request: &[u8], turn: Turn) -> Option<Connection> {
        let exchange = async {
            connection.send(request).await?;
            let (head, left) = connection.head().await?;
            connection.skip(left).await?;
            Ok(head)
        };
        match within(self.patience, exchange).await {
            Ok(head) => {
                self.answered(head, turn);
                head.keeps.then_some(connection)
            }
            Err(error) => {
                self.recorder.failed(&error);
                None
            }
        }
    }

    async fn leave_before(&self, mut connection: Connection, request: &[u8], after: Duration, farewell: Farewell) {
        match within(self.patience, connection.send(request)).await {
            Ok(()) => {
                sleep(after).await;
                connection.leave(farewell).await;
                self.recorder.left(|left| left.before += 1);
            }
            Err(error) => self.recorder.failed(&error),
        }
    }

    async fn leave_within(&self, mut connection: Connection, request: &[u8], share: f64, farewell: Farewell) {
        let exchange = async {
            connection.send(request).await?;
            let (head, left) = connection.head().await?;
            let unread = ((head.length as f64) * (1.0 - share)) as u64;
            connection.skip(left.saturating_sub(unread)).await
        };
        match within(self.patience, exchange).await {
            Ok(()) => {
                connection.leave(farewell).await;
                self.recorder.left(|left| left.within += 1);
            }
            Err(error) => self.recorder.failed(&error),
        }
    }

    async fn trickle(&self, request: &str, time: Duration) {
        let exchange = async {
            let mut connection = Connection::open_narrow(self.address).await?;
            connection.send(request.as_bytes()).await?;
            connection.trickle(time).await?;
            connection.leave(Farewell::Rst).await;
            Ok(())
        };
        match within(self.patience + time, exchange).await {
            Ok(()) => self.recorder.left(|left| left.trickled += 1),
            Err(error) => self.recorder.failed(&error),
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        within(self.patience, Connection::open(self.address)).await
    }

    fn answered(&self, head: Head, turn: Turn) {
        if head.status == 503 && !head.retry_after {
            self.recorder.unguided();
        }
        self.recorder.answered(head.status, head.length, turn.due.elapsed());
    }
}

async fn within<T>(patience: Duration, exchange: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(patience, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

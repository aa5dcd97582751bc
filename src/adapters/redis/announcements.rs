use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use deadpool_redis::redis::aio::{PubSub, PubSubSink};
use deadpool_redis::redis::{Client, ConnectionInfo, Msg, RedisError, Value};
use futures::{FutureExt, StreamExt};
use mortar_actors::epoch::Epochs;
use mortar_actors::{Fault, FaultKind, Originals};
use tokio::task::unconstrained;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::faults::failed;
use super::waiters::{Waiter, Waiters};
use super::{AnnouncementStats, connect, replaced};
use crate::config::RedisConfig;

/// How often the connection is tried.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long Redis may take for an answer on this connection.
const ANSWER: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Channels in one command.
const BATCH: usize = 500;

/// The announcements of a Redis, heard on one connection for everyone in this process.
///
/// In a cluster any server passes announcements on, so that one connection to one of them is enough.
pub struct Announcements {
    servers: Vec<ConnectionInfo>,
    connect_timeout: Duration,
    replaced_channel: String,
    /// By which this process knows its own announcements.
    instance: u64,
    waiters: Arc<Waiters>,
    connected: AtomicBool,
    connects: AtomicU64,
    heard: AtomicU64,
}

/// Tells everyone when the connection ends, however that comes.
struct Connected<'a>(&'a Announcements);

impl Announcements {
    /// Takes the configuration; nothing is connected before anyone waits.
    ///
    /// # Errors
    /// `Invalid` when the file of certificates cannot be read or holds none.
    pub fn new(config: &RedisConfig) -> Result<Self, Fault> {
        Ok(Self {
            servers: connect::servers(config)?,
            connect_timeout: config.connect_timeout,
            replaced_channel: format!("{}:replaced", config.key_prefix),
            instance: rand::random(),
            waiters: Arc::default(),
            connected: AtomicBool::new(false),
            connects: AtomicU64::new(0),
            heard: AtomicU64::new(0),
        })
    }

    /// Where replacements of originals are announced.
    pub(super) fn replaced_channel(&self) -> &str {
        &self.replaced_channel
    }

    /// How this process announces a replacement.
    pub(super) fn replaced_message(&self, originals: &Originals) -> String {
        replaced::write(self.instance, originals)
    }

    /// Begins to wait on a channel.
    pub(super) fn wait_on(&self, channel: &str) -> Waiter {
        self.waiters.sit(channel)
    }

    /// The connection and those who wait.
    pub fn stats(&self) -> AnnouncementStats {
        AnnouncementStats {
            connected: self.connected.load(Relaxed),
            connects: self.connects.load(Relaxed),
            channels: self.waiters.channels(),
            waiters: self.waiters.waiters(),
            heard: self.heard.load(Relaxed),
        }
    }

    /// Listens for ever, and ends epochs as other instances announce it. Connects again when the connection is lost, to
    /// the next server in turn. Without epochs, connects when someone waits.
    ///
    /// While nothing was heard an announcement may have been missed: then every epoch ends, and memory with it.
    pub async fn listen(&self, epochs: Option<&Epochs>) {
        let mut pause = FIRST_PAUSE;
        let mut may_have_missed = false;
        for server in self.servers.iter().cycle() {
            while epochs.is_none() && self.waiters.channels() == 0 {
                self.waiters.changed().await;
            }
            let connected = self.connect(server, epochs.is_some()).await;
            if let Some(epochs) = epochs.filter(|_| connected.is_ok() && may_have_missed) {
                epochs.end_here(&Originals::Beginning("".into()));
            }
            may_have_missed = true;
            match connected {
                Err(fault) => tracing::debug!(error = &fault as &dyn std::error::Error, "no announcements are heard"),
                Ok(connection) => {
                    pause = FIRST_PAUSE;
                    let ended = self.hear(connection, epochs).await;
                    tracing::debug!(error = &ended as &dyn std::error::Error, "announcements are no longer heard");
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A connection, which hears of replacements already if it is to.
    async fn connect(&self, server: &ConnectionInfo, hears_replacements: bool) -> Result<PubSub, Fault> {
        let client = Client::open(server.clone()).map_err(failed)?;
        let mut connection = within(self.connect_timeout, client.get_async_pubsub()).await?;
        if hears_replacements {
            within(ANSWER, connection.subscribe(&self.replaced_channel)).await?;
        }
        Ok(connection)
    }

    /// Hears announcements and follows those who wait, until the connection fails.
    async fn hear(&self, connection: PubSub, epochs: Option<&Epochs>) -> Fault {
        self.connects.fetch_add(1, Relaxed);
        self.connected.store(true, Relaxed);
        let _connected = Connected(self);
        let (mut commands, mut messages) = connection.split();
        let mut subscribed = HashSet::new();
        // The first one at once.
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(fault) = self.follow(&mut commands, &mut subscribed).await {
                return fault;
            }
            tokio::select! {
                message = messages.next() => match message {
                    None => return Fault::new(FaultKind::Upstream, "the shared Redis closed the connection"),
                    Some(message) => self.take(&message, epochs),
                },
                () = self.waiters.changed() => {}
                _ = pings.tick() => {
                    if let Err(fault) = within(ANSWER, commands.ping::<Value>()).await {
                        return fault;
                    }
                    // What was announced before the answer has come before it, and is taken however much that is: with
                    // its turn used up a task would be told that nothing is there.
                    while let Some(Some(message)) = unconstrained(messages.next()).now_or_never() {
                        self.take(&message, epochs);
                    }
                    if let Some(epochs) = epochs {
                        epochs.all_is_heard();
                    }
                }
            }
        }
    }

    /// Tells whoever an announcement is for.
    fn take(&self, message: &Msg, epochs: Option<&Epochs>) {
        self.heard.fetch_add(1, Relaxed);
        let channel = message.get_channel_name();
        if channel != self.replaced_channel {
            return self.waiters.announce(channel);
        }
        let told = message.get_payload::<String>().ok().and_then(|text| replaced::read(&text));
        if let (Some(epochs), Some((instance, originals))) = (epochs, told)
            && instance != self.instance
        {
            epochs.end_here(&originals);
        }
    }

    /// Subscribes to the channels that are waited on, and leaves those that no longer are.
    async fn follow(&self, commands: &mut PubSubSink, subscribed: &mut HashSet<Arc<str>>) -> Result<(), Fault> {
        let changes = self.waiters.changes(subscribed);
        for channels in changes.subscribe.chunks(BATCH) {
            within(ANSWER, commands.subscribe(texts(channels))).await?;
            subscribed.extend(channels.iter().cloned());
            self.waiters.subscribed(channels);
        }
        for channels in changes.unsubscribe.chunks(BATCH) {
            within(ANSWER, commands.unsubscribe(texts(channels))).await?;
            for channel in channels {
                subscribed.remove(channel);
            }
        }
        Ok(())
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.connected.store(false, Relaxed);
        self.0.waiters.lost();
    }
}

fn texts(channels: &[Arc<str>]) -> Vec<&str> {
    channels.iter().map(|channel| &**channel).collect()
}

async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Fault> {
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(failed),
        Err(late) => Err(Fault::new(FaultKind::TimedOut, "the shared Redis took too long").caused_by(late)),
    }
}

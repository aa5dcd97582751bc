use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_redis::redis::{cmd, pipe};
use futures::future::try_join_all;
use mortar_actors::epoch::{Mark, SharedEpochs, Token};
use mortar_actors::{Fault, OriginalId, Originals};

use super::{Announcements, RedisServer, marks};

/// No flight, and no result on its way to its store, is older than that.
const LONGEST_WORK: Duration = Duration::from_secs(3600);

/// The marks of originals in Redis, and the announcement of replacements to the other instances.
///
/// Marks lie beside the entries of the shared cache and outlive them, so that an entry whose mark is gone cannot be
/// taken for one of the present.
pub struct RedisEpochs {
    marks: Arc<RedisServer>,
    announcer: Arc<RedisServer>,
    announcements: Arc<Announcements>,
    lifetime: Duration,
}

impl RedisEpochs {
    /// Marks on the server of the shared cache, if there is one; entries there live for `longest_entry` at most.
    /// `announcements` are those that the instances listen to on the server `announcer`.
    pub fn new(
        marks: Arc<RedisServer>,
        announcer: Arc<RedisServer>,
        announcements: Arc<Announcements>,
        longest_entry: Duration,
    ) -> Self {
        Self { marks, announcer, announcements, lifetime: longest_entry.saturating_add(LONGEST_WORK) }
    }

    async fn set(&self, name: String, token: Token) -> Result<(), Fault> {
        let mut set = cmd("SET");
        set.arg(name).arg(token.0).arg("PX").arg(self.lifetime.as_millis() as u64);
        self.marks.ask(&set).await
    }

    /// One more in one step, so that no replacement is lost.
    async fn increment(&self, name: String) -> Result<(), Fault> {
        let mut increment = pipe();
        increment.cmd("INCR").arg(&name).ignore();
        increment.cmd("PEXPIRE").arg(&name).arg(self.lifetime.as_millis() as u64).ignore();
        self.marks.ask(&increment).await
    }

    async fn announce(&self, originals: &Originals) -> Result<(), Fault> {
        let mut announce = cmd("PUBLISH");
        announce.arg(self.announcements.replaced_channel()).arg(self.announcements.replaced_message(originals));
        self.announcer.ask::<u64>(&announce).await.map(drop)
    }
}

#[async_trait]
impl SharedEpochs for RedisEpochs {
    async fn mark(&self, original: &OriginalId) -> Result<Mark, Fault> {
        let (bucket, own) = self.marks.ask(&marks::question(&self.marks, original)).await?;
        Ok(marks::read(bucket, own))
    }

    async fn end(&self, originals: &Originals) -> Result<Token, Fault> {
        let token = Token::of_replacement(rand::random());
        let names = marks::names_of(&self.marks, originals);
        try_join_all(names.into_iter().map(|name| self.set(name, token))).await?;
        self.announce(originals).await?;
        Ok(token)
    }

    async fn recall(&self, originals: &Originals) -> Result<(), Fault> {
        let names = marks::names_of(&self.marks, originals);
        try_join_all(names.into_iter().map(|name| self.increment(name))).await?;
        self.announce(originals).await
    }
}

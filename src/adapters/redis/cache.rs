use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use deadpool_redis::redis::{Cmd, cmd, pipe};
use mortar_actors::cache::SharedCache;
use mortar_actors::epoch::Mark;
use mortar_actors::{Fault, Key, Rendition};

use super::{RedisServer, frame, marks};

/// Counts a use. The count goes after the time that the entry would have lived; no key is without one.
const COUNT_USE: &str = "
local uses = redis.call('INCR', KEYS[1])
if uses == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return uses";

/// Results in Redis, below the memory of each instance.
pub struct RedisCache {
    server: Arc<RedisServer>,
    settings: RedisCacheSettings,
}

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct RedisCacheSettings {
    /// Larger bodies are not kept, in bytes.
    pub max_entry_bytes: u64,
    /// No entry lives longer.
    pub max_time_to_live: Duration,
    /// An entry is kept when it is offered for this time; 1 keeps it at once.
    pub min_use_count: u32,
}

impl RedisCache {
    /// A level on a server, which others may use too.
    pub fn new(server: Arc<RedisServer>, settings: RedisCacheSettings) -> Self {
        Self { server, settings }
    }

    /// The name of an entry; in a cluster it lies beside the mark of its original.
    fn entry(&self, key: &Key) -> String {
        match key.original() {
            Some(original) => self.server.name("result", &format!("{}:{key}", marks::group(original))),
            None => self.server.name("result", key.as_str()),
        }
    }

    /// Whether the entry has been offered often enough.
    async fn is_used_enough(&self, key: &Key, time_to_live: u64) -> Result<bool, Fault> {
        if self.settings.min_use_count <= 1 {
            return Ok(true);
        }
        let mut count = cmd("EVAL");
        count.arg(COUNT_USE).arg(1).arg(self.server.name("uses", key.as_str())).arg(time_to_live);
        let uses: u64 = self.server.ask(&count).await?;
        Ok(uses >= u64::from(self.settings.min_use_count))
    }
}

#[async_trait]
impl SharedCache for RedisCache {
    async fn get(&self, key: &Key) -> Result<Option<(Arc<Rendition>, Duration)>, Fault> {
        let entry = self.entry(key);
        let mut questions = pipe();
        questions.cmd("GET").arg(&entry).cmd("PTTL").arg(&entry);
        let (frame, milliseconds, current): (Option<Bytes>, i64, Mark) = match key.original() {
            Some(original) => {
                marks::ask(&mut questions, &self.server, original);
                let (frame, milliseconds, bucket, own) = self.server.ask(&questions).await?;
                (frame, milliseconds, marks::read(bucket, own))
            }
            None => {
                let (frame, milliseconds) = self.server.ask(&questions).await?;
                (frame, milliseconds, Mark::default())
            }
        };
        let Some(frame) = frame else { return Ok(None) };
        let decoded = frame::decode(&frame, self.settings.max_entry_bytes);
        let Some((rendition, _)) = decoded.filter(|(_, mark)| *mark == marks::folded(current)) else {
            tracing::debug!(%key, "an entry of another version or epoch, or a damaged one, is removed");
            self.remove(key).await?;
            return Ok(None);
        };
        // Negative when it ran out this very moment.
        let left = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
        Ok((!left.is_zero()).then(|| (Arc::new(rendition), left.min(self.settings.max_time_to_live))))
    }

    async fn put(&self, key: &Key, entry: &Rendition, time_to_live: Duration, mark: Mark) -> Result<bool, Fault> {
        let time_to_live = time_to_live.min(self.settings.max_time_to_live).as_millis() as u64;
        if entry.body.len() as u64 > self.settings.max_entry_bytes || time_to_live == 0 {
            return Ok(false);
        }
        if !self.is_used_enough(key, time_to_live).await? {
            return Ok(false);
        }
        let frame = frame::encode(entry, marks::folded(mark));
        let mut set = Cmd::new();
        set.arg("SET").arg(self.entry(key)).arg(&frame[..]).arg("PX").arg(time_to_live);
        self.server.ask::<()>(&set).await?;
        Ok(true)
    }

    async fn remove(&self, key: &Key) -> Result<(), Fault> {
        let mut remove = cmd("DEL");
        remove.arg(self.entry(key));
        self.server.ask(&remove).await
    }
}

//! Scripted fakes of every port: they answer, fail, hang or panic as told, and count what is done with them.
//!
//! For tests of this crate and of its users (feature `testing`).

mod clean;
mod crash;
mod engine;
mod epochs;
mod lease;
mod shared_cache;
mod stores;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

pub use clean::{assert_clean, eventually};
pub use crash::Crash;
pub use engine::{FakeEngine, FakeJob, RenderScript, Stages};
pub use epochs::FakeEpochs;
pub use lease::FakeLease;
pub use shared_cache::FakeSharedCache;
pub use stores::FakeStores;

use crate::fault::Fault;
use crate::vocab::{EntityTag, Rendition};
use crate::wait::pause;

/// What a fake does when it is asked.
#[derive(Clone, Debug, Default)]
pub enum Script {
    /// It works.
    #[default]
    Works,
    /// It works, after this time.
    Slow(Duration),
    /// It fails.
    Fails(Fault),
    /// It never answers.
    Hangs,
    /// It panics.
    Panics,
}

/// A gauge that several owners read: what is alive, open or running.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicUsize>);

/// One unit on a gauge, taken off when dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Script {
    /// Plays everything but the working part.
    ///
    /// # Errors
    /// The scripted one.
    ///
    /// # Panics
    /// When scripted to.
    pub async fn play(self) -> Result<(), Fault> {
        match self {
            Self::Works => Ok(()),
            Self::Slow(time) => {
                pause(time).await;
                Ok(())
            }
            Self::Fails(fault) => Err(fault),
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("a scripted panic"),
        }
    }
}

impl Gauge {
    /// What it shows.
    pub fn get(&self) -> usize {
        self.0.load(SeqCst)
    }

    /// Adds one until the returned value is dropped.
    pub fn count(&self) -> Counted {
        self.0.fetch_add(1, SeqCst);
        Counted(self.clone())
    }

    /// Adds one for good.
    pub fn increment(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}

/// A rendition with that body and nothing remarkable.
pub fn rendition(body: impl Into<Bytes>) -> Arc<Rendition> {
    Arc::new(Rendition {
        body: body.into(),
        content_type: "image/png".to_owned(),
        etag: EntityTag::new("fake"),
        last_modified: SystemTime::UNIX_EPOCH,
        width: None,
        height: None,
    })
}

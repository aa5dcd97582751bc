//! The whole tree at one moment, ready to be serialised.

use serde::Serialize;

use crate::cache::CacheStats;
use crate::gate::GateStats;
use crate::lock::LockStats;
use crate::meter::{Counts, Percentiles};
use crate::storage::StorageStats;
use crate::store_back::StoreBackStats;
use crate::supervise::ChildState;
use crate::transform::TransformStats;

/// The supervision tree.
#[derive(Clone, Debug, Serialize)]
pub struct TreeStats {
    /// Seconds since the tree was started.
    pub uptime_seconds: u64,
    /// Whether [`Tree::readiness`](crate::Tree::readiness) says so.
    pub ready: bool,
    /// The children in the order they were started.
    pub children: Vec<ActorStats>,
}

/// One child of the tree.
#[derive(Clone, Debug, Serialize)]
pub struct ActorStats {
    /// Its name.
    pub name: &'static str,
    /// Whether it runs.
    pub state: ChildState,
    /// Seconds since it was last built; zero while it is not running.
    pub uptime_seconds: u64,
    /// How often it was rebuilt, for whatever reason.
    pub restarts: u64,
    /// The most that its admission gate holds, queued and running together.
    pub capacity: u64,
    /// What it counted.
    #[serde(flatten)]
    pub counts: Counts,
    /// From the ask until work began.
    pub wait: Percentiles,
    /// From the begin of work to its answer.
    pub work: Percentiles,
    /// Its gates.
    pub gates: Vec<GateStats>,
    /// What only this kind of actor has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
}

/// What only one kind of actor has to tell.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Of the storage actor.
    Storage(StorageStats),
    /// Of the cache actor.
    Cache(CacheStats),
    /// Of the lock actor.
    Lock(LockStats),
    /// Of the transform actor.
    Transform(TransformStats),
    /// Of the task that stores results back.
    StoreBack(StoreBackStats),
}

/// Whether the service should be sent requests, and why not.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    /// `true` when there is no reason against it.
    pub ready: bool,
    /// Every reason against it, in plain words.
    pub reasons: Vec<String>,
}

impl TreeStats {
    /// The child of that name.
    pub fn child(&self, name: &str) -> Option<&ActorStats> {
        self.children.iter().find(|child| child.name == name)
    }
}

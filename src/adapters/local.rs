//! Objects as files: `root/<container>/<key>`, plain or beginning with their metadata.

mod blocking;
mod container;
mod draft;
mod empty;
mod faults;
mod key_path;
mod listing;
mod object;
mod sidecar;
mod turns;

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use mortar_actors::storage::{ListPage, ListRequest, PutCondition, Store};
use mortar_actors::{Body, ByteRange, Fault, FaultKind, Fetched, ObjectKey, ObjectMeta};

use self::blocking::Caller;
use self::container::{Container, remove_emptied};
use self::draft::{Draft, Durability};
use self::empty::{is_name_alone, make_empty};
use self::key_path::key_path;
use self::object::Object;
use self::turns::changing;
use super::measured::measured;

pub use self::blocking::FileThreads;

/// Bytes gathered before a write goes to the disk: few trips to the blocking pool, and a bound for what a slow upload
/// keeps in memory.
const WRITE_BATCH_BYTES: usize = 256 * 1024;

/// How an object's metadata is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Not at all: the file is the content, its media type follows from its extension.
    Plain,
    /// In a header before the content. A file without one is an object as well.
    Sidecar,
}

/// A directory of objects on this machine.
///
/// Keys are confined to `root/<container>`, symbolic links included: whatever lies outside does not exist. A key is a
/// relative path of non-empty components; one that no file can have (`..`, `a//b`, a trailing slash, over-long names)
/// is not found when read and invalid when written.
///
/// Directories are made for the objects in them and removed with the last one.
///
/// Writes appear whole, by rename, after they have reached the disk. What can be made again does not wait for that, and
/// what is only a name is made in place: names follow in the order of changes, as file systems with a journal keep it, and
/// content when the system sees fit. A power failure may leave it cut off, and whoever reads it has to notice.
///
/// A write or removal whose caller leaves, as after a time-out, changes nothing any more, unless its last step had begun:
/// that is a system call, which may still succeed after the caller was told otherwise. So whoever got no answer has to
/// reckon with both.
///
/// No file or directory stays open between calls; every call works in at most one thread of the blocking pool at a time,
/// so whoever bounds the calls bounds those.
#[derive(Clone, Debug)]
pub struct LocalStore {
    container: Container,
    layout: Layout,
    threads: FileThreads,
}

impl LocalStore {
    /// Opens a container and clears away what broken writes have left in it. The container itself may be absent: it is
    /// made by the first write. Calls wait for one of `threads`.
    ///
    /// # Errors
    /// `Upstream` when `root` cannot be reached, `Internal` when `container` is not a plain name.
    pub async fn open(root: PathBuf, container: &str, layout: Layout, threads: FileThreads) -> Result<Self, Fault> {
        let container = Container::new(root, container)?;
        let opened = container.clone();
        threads.change(move || opened.sweep()).await?;
        Ok(Self { container, layout, threads })
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn fetch(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Fetched, Fault> {
        let path = key_path(key).ok_or_else(faults::absent)?;
        let (container, layout, threads) = (self.container.clone(), self.layout, self.threads.clone());
        self.threads
            .read(move || Object::open(&container.existing()?, &path, layout)?.into_fetched(range, &threads))
            .await
    }

    async fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, Fault> {
        let path = key_path(key).ok_or_else(faults::absent)?;
        let (container, layout) = (self.container.clone(), self.layout);
        self.threads.read(move || Ok(Object::open(&container.existing()?, &path, layout)?.into_meta())).await
    }

    async fn put(
        &self,
        key: &ObjectKey,
        meta: ObjectMeta,
        body: Body,
        condition: &PutCondition,
    ) -> Result<ObjectMeta, Fault> {
        let path = key_path(key).ok_or_else(faults::unnameable)?;
        let mut chunks = measured(body, meta.length);
        let (container, layout) = (self.container.clone(), self.layout);
        let mut draft = self.threads.change(move || Draft::begin(container.created()?, layout, meta)).await?;
        loop {
            let batch = next_batch(&mut chunks).await?;
            if batch.is_empty() {
                break;
            }
            draft = self.threads.change(move || draft.append(&batch)).await?;
        }
        let (caller, condition) = (Caller::default(), condition.clone());
        let awaited = caller.awaited();
        self.threads.change(move || draft.publish(&path, &condition, Durability::OnDisk, &awaited)).await
    }

    async fn put_derived(&self, key: &ObjectKey, meta: ObjectMeta, body: Bytes) -> Result<(), Fault> {
        let path = key_path(key).ok_or_else(faults::unnameable)?;
        let (caller, container, layout) = (Caller::default(), self.container.clone(), self.layout);
        let awaited = caller.awaited();
        let write = move || {
            let directory = container.created()?;
            if is_name_alone(&meta, body.len()) && make_empty(&directory, &path, &awaited)? {
                return Ok(());
            }
            let draft = Draft::begin(directory, layout, meta)?.append(&[body])?;
            draft.publish(&path, &PutCondition::None, Durability::InOrder, &awaited).map(drop)
        };
        self.threads.change(write).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), Fault> {
        let Some(path) = key_path(key) else {
            return Ok(());
        };
        let (caller, container) = (Caller::default(), self.container.clone());
        let awaited = caller.awaited();
        let removed = self
            .threads
            .change(move || {
                let directory = container.existing()?;
                let _turn = changing(&directory)?;
                awaited.still()?;
                let removed = directory.remove_file(&path).map_err(faults::removing);
                remove_emptied(&directory, &path);
                removed
            })
            .await;
        match removed {
            Err(fault) if fault.is_not_found() => Ok(()),
            removed => removed,
        }
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, Fault> {
        let (container, layout, request) = (self.container.clone(), self.layout, request.clone());
        self.threads
            .read(move || match container.existing() {
                Ok(directory) => listing::page(&directory, layout, &request),
                Err(fault) if fault.is_not_found() => Ok(ListPage::default()),
                Err(fault) => Err(fault),
            })
            .await
    }

    async fn check(&self) -> Result<(), Fault> {
        let container = self.container.clone();
        let reached = self.threads.check(move || container.existing()).await;
        match reached {
            Err(fault) if !matches!(fault.kind(), FaultKind::NotFound) => Err(fault),
            _ => Ok(()),
        }
    }
}

/// The chunks that came until a batch was full; none at the end of the body.
async fn next_batch(chunks: &mut BoxStream<'static, Result<Bytes, Fault>>) -> Result<Vec<Bytes>, Fault> {
    let mut batch = Vec::new();
    let mut gathered = 0;
    while gathered < WRITE_BATCH_BYTES {
        let Some(chunk) = chunks.try_next().await? else {
            break;
        };
        gathered += chunk.len();
        if !chunk.is_empty() {
            batch.push(chunk);
        }
    }
    Ok(batch)
}

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry};
use mortar_actors::{Fault, FaultKind};

use super::faults;
use super::key_path::DRAFTS;

/// A draft that nobody locks is left over once it is this old; a younger one may be about to be locked.
const DRAFT_GRACE: Duration = Duration::from_secs(60);

/// Where a container lies. Its directory is opened for each call, so that a disk mounted later, or a container removed
/// and made anew, is seen.
#[derive(Clone, Debug)]
pub(super) struct Container {
    root: Arc<PathBuf>,
    name: Arc<str>,
}

impl Container {
    /// The container `name` below `root`; nothing is touched yet.
    pub(super) fn new(root: PathBuf, name: &str) -> Result<Self, Fault> {
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(Fault::new(FaultKind::Internal, "the container of a store is not a plain name"));
        }
        Ok(Self { root: Arc::new(root), name: name.into() })
    }

    /// The container's directory, for reading. A missing root is an outage, a missing container holds nothing.
    pub(super) fn existing(&self) -> Result<Dir, Fault> {
        self.root()?.open_dir(&*self.name).map_err(faults::reading)
    }

    /// The container's directory, made when it is missing.
    pub(super) fn created(&self) -> Result<Dir, Fault> {
        let root = self.root()?;
        root.create_dir_all(&*self.name).map_err(faults::outage)?;
        root.open_dir(&*self.name).map_err(faults::outage)
    }

    /// Removes the drafts of writers that are gone. Those of living ones, in this process or another, are locked.
    pub(super) fn sweep(&self) -> Result<(), Fault> {
        let drafts = match self.existing() {
            Ok(container) => container.read_dir(DRAFTS),
            Err(fault) if fault.is_not_found() => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let Ok(drafts) = drafts else {
            return Ok(());
        };
        for draft in drafts.flatten().filter(is_left_over) {
            if let Err(error) = draft.remove_file() {
                tracing::warn!(%error, "a left-over draft could not be removed");
            }
        }
        Ok(())
    }

    fn root(&self) -> Result<Dir, Fault> {
        Dir::open_ambient_dir(&*self.root, ambient_authority()).map_err(faults::outage)
    }
}

fn is_left_over(draft: &DirEntry) -> bool {
    let Ok(file) = draft.open().map(|file| File::from(file.into_std())) else {
        return false;
    };
    let age = file.metadata().and_then(|meta| meta.modified()).ok().and_then(|written| written.elapsed().ok());
    age.is_some_and(|age| age > DRAFT_GRACE) && file.try_lock().is_ok()
}

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry};
use mortar_actors::{Fault, FaultKind};

use super::draft::Durability;
use super::faults;
use super::key_path::DRAFTS;
use super::turns::undisturbed;

/// How often an object is placed before it is given up that the directory for it is removed meanwhile. Each time something
/// else in it was removed, as its last.
const PLACINGS: usize = 64;

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
        self.root()?.open_dir(&*self.name).map_err(|error| match error.kind() {
            ErrorKind::NotFound => faults::absent(),
            _ => faults::outage(error),
        })
    }

    /// The container's directory, made when it is missing.
    pub(super) fn created(&self) -> Result<Dir, Fault> {
        opened_or_made(&self.root()?, Path::new(&*self.name), Durability::OnDisk)
    }

    /// Removes the drafts of writers that are gone. Those of living ones, in this process or another, are locked.
    pub(super) fn sweep(&self) -> Result<(), Fault> {
        let drafts = match self.existing() {
            Ok(container) => container.open_dir(DRAFTS),
            Err(fault) if fault.is_not_found() => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let Ok(drafts) = drafts else {
            return Ok(());
        };
        // While somebody makes a draft, which is not locked at once, what is left over stays for the next time.
        let Some(_turn) = undisturbed(&drafts) else {
            return Ok(());
        };
        for draft in drafts.entries().into_iter().flatten().flatten().filter(is_left_over) {
            if let Err(error) = draft.remove_file() {
                tracing::warn!(%error, draft = %draft.file_name().display(), "a left-over draft could not be removed");
            }
        }
        Ok(())
    }

    fn root(&self) -> Result<Dir, Fault> {
        Dir::open_ambient_dir(&*self.root, ambient_authority()).map_err(faults::outage)
    }
}

/// Gives something the name `path` by `place`, and makes the directory for it where there is none. Whoever removes the last
/// object of a directory removes the directory too, perhaps right before the object arrives; then it is made again.
pub(super) fn in_directory(
    within: &Dir,
    path: &Path,
    durability: Durability,
    mut place: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    let mut placed = place();
    for _ in 1..PLACINGS {
        if !is_missing(&placed) {
            break;
        }
        let made = make_directory(within, parent_of(path), durability);
        placed = if made.is_ok() || is_missing(&made) { place() } else { made };
    }
    placed.inspect_err(|_| remove_emptied(within, path))
}

/// The directory `path`, made when it is missing.
pub(super) fn opened_or_made(within: &Dir, path: &Path, durability: Durability) -> Result<Dir, Fault> {
    match within.open_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => return opened.map_err(faults::outage),
    }
    make_directory(within, path, durability).map_err(faults::preparing)?;
    within.open_dir(path).map_err(faults::outage)
}

/// Makes the directory `path` and those above it that are missing, and returns when their names are as durable as asked.
/// `NotFound` when one of them was removed meanwhile.
pub(super) fn make_directory(within: &Dir, path: &Path, durability: Durability) -> io::Result<()> {
    let mut missing: Vec<_> = path.ancestors().take_while(|above| *above != Path::new("")).collect();
    while let Some(directory) = missing.pop() {
        match within.create_dir(directory) {
            Ok(()) if durability == Durability::OnDisk => sync(within, parent_of(directory))?,
            Ok(()) => {}
            // A directory, or else what comes next fails on it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes the directories above `path` that hold nothing any more, but never the container. One that something is put
/// into at this moment stays, or is made again by whoever puts it there.
pub(super) fn remove_emptied(within: &Dir, path: &Path) {
    for directory in path.ancestors().skip(1).take_while(|above| *above != Path::new("")) {
        match within.remove_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // It is not empty, no directory, or not ours to remove. One that stays harms nobody.
            Err(_) => return,
        }
    }
}

/// The directory in which `path` lies; empty for the container itself.
pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Returns when the entries of the directory `path` are on the disk.
pub(super) fn sync(within: &Dir, path: &Path) -> io::Result<()> {
    let path = if path == Path::new("") { Path::new(".") } else { path };
    within.open(path)?.sync_all()
}

fn is_missing(outcome: &io::Result<()>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

fn is_left_over(draft: &DirEntry) -> bool {
    draft.open().is_ok_and(|file| file.into_std().try_lock().is_ok())
}

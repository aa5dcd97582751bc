//! Locks of a directory, so that two steps in it are one for every process on the disk: comparing an object and replacing
//! it, making a draft and locking it.

use std::fs::File;

use cap_std::fs::Dir;
use mortar_actors::Fault;

use super::faults;

/// Taken for a change that compares nothing. Any number at once; lasts until dropped.
pub(super) fn changing(container: &Dir) -> Result<File, Fault> {
    let lock = opened(container)?;
    lock.lock_shared().map_err(faults::outage)?;
    Ok(lock)
}

/// Taken for a change that depends on what is there: nothing else changes until it is dropped.
pub(super) fn comparing(container: &Dir) -> Result<File, Fault> {
    let lock = opened(container)?;
    lock.lock().map_err(faults::outage)?;
    Ok(lock)
}

/// As [`comparing`], without waiting; `None` while anything changes.
pub(super) fn undisturbed(directory: &Dir) -> Option<File> {
    let lock = opened(directory).ok()?;
    lock.try_lock().ok()?;
    Some(lock)
}

/// The directory once more: a lock belongs to one opening of it.
fn opened(container: &Dir) -> Result<File, Fault> {
    container.open(".").map(cap_std::fs::File::into_std).map_err(faults::outage)
}

//! Errors of the file system, translated once.

use std::io::{Error, ErrorKind};

use mortar_actors::{Fault, FaultKind};

/// There is no such object.
pub(super) fn absent() -> Fault {
    Fault::new(FaultKind::NotFound, "the object does not exist")
}

/// The key of a write cannot be the name of a file.
pub(super) fn unnameable() -> Fault {
    Fault::new(FaultKind::Invalid, "this store cannot hold an object of that name")
}

/// What is there is not what a conditional write expects.
pub(super) fn unmet() -> Fault {
    Fault::new(FaultKind::PreconditionFailed, "the object is not the one that the request expects")
}

/// What a failed read means: an object is absent when no file can have its name, when the way to it leads through a
/// file or out of the container. Everything else is an outage.
pub(super) fn reading(error: Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound => absent(),
        _ if is_absence(&error) => absent().caused_by(error),
        _ => outage(error),
    }
}

/// What a failed removal means.
pub(super) fn removing(error: Error) -> Fault {
    if is_absence(&error) { absent().caused_by(error) } else { preparing(error) }
}

/// What a failed write to the place of an object means.
pub(super) fn writing(error: Error) -> Fault {
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => unnameable().caused_by(error),
        _ if cannot_be_there(&error) => unnameable().caused_by(error),
        _ => preparing(error),
    }
}

/// What it means that something cannot be written or made at all, wherever it is.
pub(super) fn preparing(error: Error) -> Fault {
    let (kind, message) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (FaultKind::Unwritable, "the store is full"),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            (FaultKind::Unwritable, "the store can only be read")
        }
        ErrorKind::FileTooLarge => (FaultKind::TooLarge, "the object is larger than this store can hold"),
        _ => return outage(error),
    };
    Fault::new(kind, message).caused_by(error)
}

/// The disk or its directories are not as they should be.
pub(super) fn outage(error: Error) -> Fault {
    Fault::new(FaultKind::Upstream, "the store cannot be read or written").caused_by(error)
}

/// Whether a failed read says that nothing of that name is there.
pub(super) fn is_absence(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound || cannot_be_there(error)
}

fn cannot_be_there(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::InvalidFilename => true,
        // Links that lead in a circle lead to nothing.
        _ if error.raw_os_error() == Some(libc::ELOOP) => true,
        // The sandbox itself refuses a path that leads outside; a permission of the file system has an error number.
        ErrorKind::PermissionDenied => error.raw_os_error().is_none(),
        _ => false,
    }
}

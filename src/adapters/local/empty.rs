//! Empty objects that say nothing of themselves: all of one is its name, and a name is given in one step without a draft.

use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions};
use mortar_actors::{Fault, ObjectMeta};

use super::blocking::Awaited;
use super::container::in_directory;
use super::draft::Durability;
use super::faults;

/// Whether an object with this metadata and `length` bytes is all in its name.
pub(super) fn is_name_alone(meta: &ObjectMeta, length: usize) -> bool {
    length == 0 && *meta == (ObjectMeta { length: meta.length, ..ObjectMeta::default() })
}

/// Makes the empty object `path`, or leaves the one that is there. `false` when something else is there.
pub(super) fn make_empty(container: &Dir, path: &Path, awaited: &Awaited) -> Result<bool, Fault> {
    awaited.still()?;
    let create = || container.open_with(path, OpenOptions::new().write(true).create_new(true)).map(drop);
    match in_directory(container, path, Durability::InOrder, create) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => is_empty(container, path).map_err(faults::writing),
        made => made.map(|()| true).map_err(faults::writing),
    }
}

fn is_empty(container: &Dir, path: &Path) -> io::Result<bool> {
    match container.symlink_metadata(path) {
        Ok(present) => Ok(present.is_file() && present.len() == 0),
        // Another one has removed it meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn what_is_there_is_empty_only_as_a_file_without_bytes_and_what_was_removed_is_something_else() {
        let directory = tempfile::tempdir().unwrap();
        let container = Dir::open_ambient_dir(directory.path(), ambient_authority()).unwrap();
        container.write("empty", "").unwrap();
        container.write("full", "bytes").unwrap();
        container.create_dir("directory").unwrap();
        for (name, expected) in [("empty", true), ("full", false), ("directory", false), ("removed", false)] {
            assert_eq!(is_empty(&container, Path::new(name)).unwrap(), expected, "{name}");
        }
    }
}

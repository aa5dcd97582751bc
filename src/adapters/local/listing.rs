//! Pages of a directory's objects in the order of their keys, in memory that the page bounds.

use std::collections::BinaryHeap;
use std::path::Path;

use cap_std::fs::{Dir, DirEntry};
use mortar_actors::storage::{ListPage, ListRequest, PageDraft, Place};
use mortar_actors::{Fault, ObjectKey};

use super::key_path::DRAFTS;
use super::object::Object;
use super::{Layout, faults};

/// Names taken from a directory in one reading of it, at least. A larger directory is read again from where the last
/// reading ended.
const MIN_BATCH: usize = 128;

/// One page of the objects in `container`. Linked directories are not followed: they may lead in circles.
pub(super) fn page(container: &Dir, layout: Layout, request: &ListRequest) -> Result<ListPage, Fault> {
    let mut draft = PageDraft::new(request);
    let mut walk = Walk::new(container, request);
    while let Some(key) = walk.next(&draft)? {
        match draft.place(&key) {
            Place::Elsewhere => {}
            Place::NextPage => break,
            Place::Object => match Object::open(container, Path::new(&key), layout) {
                Ok(object) => draft.add(ObjectKey::new(key), object.into_meta()),
                // It was removed a moment ago, or is a link to nothing or to a directory.
                Err(fault) if fault.is_not_found() => {}
                Err(fault) => return Err(fault),
            },
        }
    }
    Ok(draft.finish())
}

/// Goes through a tree of directories in the order of whole keys. The directories on the way to the present place are
/// kept, each with a bounded number of its next entries.
struct Walk<'a> {
    container: &'a Dir,
    prefix: &'a str,
    start: &'a str,
    batch: usize,
    /// The outermost first.
    levels: Vec<Level>,
}

struct Level {
    /// Its path, with a slash at the end unless it is the container itself.
    path: String,
    /// The entry handed out last, after which the next batch begins.
    passed: String,
    /// The next entries, the last of them first. Directories end in a slash, which is what orders them among keys.
    entries: Vec<String>,
    /// Whether there may be more entries than those.
    more: bool,
}

impl<'a> Walk<'a> {
    fn new(container: &'a Dir, request: &'a ListRequest) -> Self {
        let batch = request.max_keys.saturating_add(1).max(MIN_BATCH);
        let start = request.start_after.as_deref().unwrap_or_default();
        Self { container, prefix: &request.prefix, start, batch, levels: vec![Level::new(String::new())] }
    }

    /// The next key, passing over whole directories for which `draft` has a common prefix.
    fn next(&mut self, draft: &PageDraft<'_>) -> Result<Option<String>, Fault> {
        while let Some(level) = self.levels.last_mut() {
            if draft.is_rolled_up(&level.path) {
                self.levels.pop();
                continue;
            }
            let Some(entry) = level.entries.pop() else {
                if !level.more {
                    self.levels.pop();
                    continue;
                }
                self.read_batch()?;
                continue;
            };
            let key = format!("{}{entry}", level.path);
            level.passed = entry;
            if !key.ends_with('/') {
                return Ok(Some(key));
            }
            if !draft.is_rolled_up(&key) {
                self.levels.push(Level::new(key));
            }
        }
        Ok(None)
    }

    /// Reads the directory of the innermost level once and keeps its smallest entries that are still to come.
    fn read_batch(&mut self) -> Result<(), Fault> {
        let Some(level) = self.levels.last() else { return Ok(()) };
        let mut smallest = BinaryHeap::new();
        let mut more = false;
        let path = if level.path.is_empty() { "." } else { &level.path };
        let entries = match self.container.read_dir(path) {
            Ok(entries) => Some(entries),
            // Removed a moment ago.
            Err(error) if faults::is_absence(&error) => None,
            Err(error) => return Err(faults::outage(error)),
        };
        for entry in entries.into_iter().flatten() {
            let entry = entry.map_err(faults::outage)?;
            let Some(name) = entry_name(&entry) else { continue };
            if name <= level.passed || !self.is_wanted(&level.path, &name) {
                continue;
            }
            smallest.push(name);
            if smallest.len() > self.batch {
                smallest.pop();
                more = true;
            }
        }
        let mut entries = smallest.into_sorted_vec();
        entries.reverse();
        if let Some(level) = self.levels.last_mut() {
            (level.entries, level.more) = (entries, more);
        }
        Ok(())
    }

    /// Whether the entry is a key that is asked for, or a directory in which there may be one.
    fn is_wanted(&self, directory: &str, name: &str) -> bool {
        let entry = format!("{directory}{name}");
        let holds = |text: &str| entry.ends_with('/') && text.starts_with(&entry);
        let drafts = entry.strip_suffix('/').unwrap_or(&entry) == DRAFTS;
        !drafts
            && (entry.starts_with(self.prefix) || holds(self.prefix))
            && (entry.as_str() > self.start || holds(self.start))
    }
}

impl Level {
    fn new(path: String) -> Self {
        Self { path, passed: String::new(), entries: Vec::new(), more: true }
    }
}

/// The name as it stands in keys; `None` for what no key can name, or what is neither file nor link nor directory.
fn entry_name(entry: &DirEntry) -> Option<String> {
    let name = entry.file_name().into_string().ok()?;
    let kind = entry.file_type().ok()?;
    if kind.is_dir() {
        return Some(name + "/");
    }
    (kind.is_file() || kind.is_symlink()).then_some(name)
}

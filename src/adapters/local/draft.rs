use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions};
use mortar_actors::storage::PutCondition;
use mortar_actors::{EntityTag, Fault, ObjectMeta};
use s3s::crypto::{Checksum, Md5};

use super::blocking::Awaited;
use super::container::{in_directory, opened_or_made, parent_of, sync};
use super::key_path::DRAFTS;
use super::object::{Object, derived_meta};
use super::sidecar::Header;
use super::turns::{changing, comparing};
use super::{Layout, faults};

/// What of an object has reached the disk when it has been published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// All of it.
    OnDisk,
    /// Nothing. All follows by itself: the name not after names that are given later, the content perhaps after its name,
    /// so that a power failure may leave an object that is cut off.
    InOrder,
}

/// An object while it is being written. It is invisible until [`Draft::publish`]; dropped before, it leaves nothing.
///
/// The file is locked as long as the draft lives, which tells other processes on the same disk that it is in use.
pub(super) struct Draft {
    container: Dir,
    name: PathBuf,
    file: File,
    layout: Layout,
    meta: ObjectMeta,
    /// Bytes of content written so far.
    length: u64,
    /// Set when the validator is to be made of the content.
    hash: Option<Md5>,
    published: bool,
}

impl Draft {
    /// Starts an empty object in `container`.
    pub(super) fn begin(container: Dir, layout: Layout, meta: ObjectMeta) -> Result<Self, Fault> {
        let making = changing(&opened_or_made(&container, Path::new(DRAFTS), Durability::InOrder)?)?;
        let name = Path::new(DRAFTS).join(format!("{:032x}", rand::random::<u128>()));
        let file = container
            .open_with(&name, OpenOptions::new().write(true).create_new(true))
            .map_err(faults::preparing)?
            .into_std();
        let mut draft = Self { container, name, file, layout, meta, length: 0, hash: None, published: false };
        draft.file.lock().map_err(faults::outage)?;
        drop(making);
        if layout == Layout::Sidecar {
            draft.reserve_header()?;
        }
        Ok(draft)
    }

    /// Writes the next bytes and hands the draft back.
    pub(super) fn append(mut self, batch: &[Bytes]) -> Result<Self, Fault> {
        for chunk in batch {
            self.file.write_all(chunk).map_err(faults::preparing)?;
            self.length += chunk.len() as u64;
            if let Some(hash) = &mut self.hash {
                hash.update(chunk);
            }
        }
        Ok(self)
    }

    /// Makes the object visible as `path` in one step, if `condition` holds, replacing what was there, after its content has
    /// reached the disk. When nobody waits for it any more it does not become visible.
    pub(super) fn publish(
        mut self,
        path: &Path,
        condition: &PutCondition,
        durability: Durability,
        awaited: &Awaited,
    ) -> Result<ObjectMeta, Fault> {
        if let Some(hash) = self.hash.take() {
            self.meta.etag = Some(content_tag(hash.finalize()));
            self.file.seek(SeekFrom::Start(0)).map_err(faults::preparing)?;
            self.write_header()?;
        }
        if durability == Durability::OnDisk {
            self.file.sync_all().map_err(faults::preparing)?;
        }
        let derived = derived_meta(&self.file.metadata().map_err(faults::outage)?, self.length, path);
        self.place_at(path, condition, durability, awaited)?;
        Ok(match self.layout {
            Layout::Plain => derived,
            Layout::Sidecar => Header::of(&self.meta).over(derived),
        })
    }

    /// Writes the header before the content is known: until its end, a tag of the same length holds the tag's place.
    fn reserve_header(&mut self) -> Result<(), Fault> {
        if self.meta.etag.is_none() {
            self.meta.etag = Some(content_tag([0; 16]));
            self.hash = Some(Md5::new());
        }
        self.write_header()
    }

    fn write_header(&mut self) -> Result<(), Fault> {
        self.file.write_all(&Header::of(&self.meta).encode()?).map_err(faults::preparing)
    }

    fn place_at(
        &mut self,
        path: &Path,
        condition: &PutCondition,
        durability: Durability,
        awaited: &Awaited,
    ) -> Result<(), Fault> {
        match condition {
            PutCondition::None => {
                let _turn = changing(&self.container)?;
                awaited.still()?;
                in_directory(&self.container, path, durability, || self.rename_to(path)).map_err(faults::writing)?;
                self.published = true;
            }
            PutCondition::IfAbsent => {
                awaited.still()?;
                in_directory(&self.container, path, durability, || self.link_to(path))
                    .map_err(|error| self.not_linked(path, error))?;
            }
            PutCondition::IfMatch(tag) => {
                let _turn = comparing(&self.container)?;
                awaited.still()?;
                let present = Object::open(&self.container, path, self.layout)?.into_meta();
                if present.etag.as_ref() != Some(tag) {
                    return Err(faults::unmet());
                }
                self.rename_to(path).map_err(faults::writing)?;
                self.published = true;
            }
        }
        if durability == Durability::InOrder {
            return Ok(());
        }
        match sync(&self.container, parent_of(path)) {
            // The object was removed again, and its directory with it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            synced => synced.map_err(faults::outage),
        }
    }

    fn rename_to(&self, path: &Path) -> io::Result<()> {
        self.container.rename(&self.name, &self.container, path)
    }

    /// Gives the file a second name where there is none yet; the first goes with the draft.
    fn link_to(&self, path: &Path) -> io::Result<()> {
        self.container.hard_link(&self.name, &self.container, path)
    }

    fn not_linked(&self, path: &Path, error: io::Error) -> Fault {
        match error.kind() {
            ErrorKind::AlreadyExists if !self.container.is_dir(path) => faults::unmet().caused_by(error),
            _ => faults::writing(error),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        if let Err(error) = self.container.remove_file(&self.name) {
            tracing::warn!(%error, draft = %self.name.display(), "the draft of a broken write could not be removed");
        }
    }
}

/// MD5, as S3's clients expect it of a validator in this form: some of them compare it with what they sent.
fn content_tag(hash: [u8; 16]) -> EntityTag {
    EntityTag::new(&format!("{:032x}", u128::from_be_bytes(hash)))
}

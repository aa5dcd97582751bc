use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use futures::{FutureExt, stream};
use mortar_actors::{Body, ByteRange, ByteStream, EntityTag, Fault, FaultKind, Fetched, ObjectMeta};

use super::blocking::FileThreads;
use super::sidecar::Header;
use super::{Layout, faults};

/// Bytes read from the disk at a time. A body up to this size is read together with the metadata, in one trip to the
/// blocking pool.
const CHUNK_BYTES: u64 = 128 * 1024;

/// An open object: its metadata and its content come from this one file handle, so a write in between changes neither.
pub(super) struct Object {
    file: File,
    meta: ObjectMeta,
    content_start: u64,
    content_length: u64,
}

impl Object {
    /// Opens the file `path` of `container`. What is not a file is not an object.
    pub(super) fn open(container: &Dir, path: &Path, layout: Layout) -> Result<Self, Fault> {
        // Without O_NONBLOCK, opening a pipe that lies there would wait for a writer, and hold its thread for ever.
        let options = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).clone();
        let file = container.open_with(path, &options).map_err(faults::reading)?.into_std();
        let file_meta = file.metadata().map_err(faults::reading)?;
        if !file_meta.is_file() {
            return Err(faults::absent());
        }
        let header = match layout {
            Layout::Plain => None,
            Layout::Sidecar => Header::read(&file, file_meta.len()).map_err(faults::outage)?,
        };
        let content_start = header.as_ref().map_or(0, |(_, length)| *length);
        let content_length = file_meta.len() - content_start;
        let derived = derived_meta(&file_meta, content_length, path);
        let meta = match header {
            Some((header, _)) => header.over(derived),
            None => derived,
        };
        Ok(Self { file, meta, content_start, content_length })
    }

    /// The metadata alone; the file is closed.
    pub(super) fn into_meta(self) -> ObjectMeta {
        self.meta
    }

    /// The object, or a range of it. Small bodies are read here, larger ones by whoever reads the stream.
    pub(super) fn into_fetched(mut self, range: Option<ByteRange>, threads: &FileThreads) -> Result<Fetched, Fault> {
        let total = self.content_length;
        let out_of_range = || {
            let kind = FaultKind::RangeNotSatisfiable { total };
            Fault::new(kind, "the asked range lies outside the object")
        };
        let part = range.map(|range| range.within(total).ok_or_else(out_of_range)).transpose()?;
        let (first, length) = part.map_or((0, total), |part| (part.first, part.len()));
        self.file.seek(SeekFrom::Start(self.content_start + first)).map_err(faults::outage)?;
        let body = if length <= CHUNK_BYTES {
            Body::Bytes(read_exactly(&self.file, length)?)
        } else {
            Body::Stream(in_chunks(self.file, length, threads.clone()))
        };
        Ok(Fetched { meta: self.meta, part, body })
    }
}

/// What the file system tells of an object: used where no better is stored.
pub(super) fn derived_meta(file: &Metadata, content_length: u64, path: &Path) -> ObjectMeta {
    let age = file.modified().ok().and_then(|written| written.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let tag = format!("{:x}-{content_length:x}", age.as_nanos());
    let last_modified: SystemTime = UNIX_EPOCH + Duration::from_secs(age.as_secs());
    ObjectMeta {
        length: Some(content_length),
        content_type: mime_guess::from_path(path).first_raw().map(str::to_owned),
        etag: Some(EntityTag::new(&tag)),
        last_modified: Some(last_modified),
        ..ObjectMeta::default()
    }
}

fn in_chunks(file: File, length: u64, threads: FileThreads) -> ByteStream {
    let file = Arc::new(file);
    let (whole, reading) = (Arc::clone(&file), threads.clone());
    let at_once = move || async move { reading.read(move || read_exactly(&whole, length)).await }.boxed();
    let chunks = stream::try_unfold((file, length, threads), |(file, left, threads)| async move {
        if left == 0 {
            return Ok(None);
        }
        let (chunk, file) = threads.read(move || Ok((read_exactly(&file, left.min(CHUNK_BYTES))?, file))).await?;
        let left = left - chunk.len() as u64;
        Ok(Some((chunk, (file, left, threads))))
    });
    ByteStream::new(Some(length), chunks).or_at_once(at_once)
}

fn read_exactly(file: &File, length: u64) -> Result<Bytes, Fault> {
    let mut chunk = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut chunk).map_err(faults::outage)?;
    if chunk.len() as u64 != length {
        return Err(Fault::new(FaultKind::Upstream, "the object became shorter while it was read"));
    }
    Ok(Bytes::from(chunk))
}

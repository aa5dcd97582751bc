use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use hyper::header::{HeaderName, HeaderValue};
use mortar_actors::{EntityTag, Fault, FaultKind, ObjectMeta};

/// First bytes of a file that begins with metadata; the third is the version of the format.
const MAGIC: [u8; 3] = [0x12, 0x34, 0x01];

/// The magic bytes and the length of the map as a little-endian `u32`.
const PREAMBLE_BYTES: usize = MAGIC.len() + size_of::<u32>();

/// Largest map that is read or written, in bytes.
const MAX_MAP_BYTES: usize = 64 * 1024;

/// Names that describe the stored file or the connection rather than the object. They are never taken from a header.
const NOT_OF_THE_OBJECT: [&str; 5] = ["content-length", "transfer-encoding", "connection", "date", "last-modified"];

/// The metadata at the beginning of a file: a MessagePack map from lower-case header names to values. It is mort's
/// format, so that an installation can change over and back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header(BTreeMap<String, String>);

impl Header {
    /// The header to store with an object.
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        let mut map = meta.headers.clone();
        map.extend(meta.content_type.clone().map(|value| ("content-type".to_owned(), value)));
        map.extend(meta.etag.as_ref().map(|tag| ("etag".to_owned(), tag.opaque().to_owned())));
        Self(map)
    }

    /// The header as it stands in a file.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Fault> {
        let map = rmp_serde::to_vec(&self.0)
            .map_err(|error| Fault::new(FaultKind::Internal, "the metadata cannot be encoded").caused_by(error))?;
        if map.len() > MAX_MAP_BYTES {
            return Err(Fault::new(FaultKind::TooLarge, "the metadata is larger than 64 KiB"));
        }
        let mut encoded = Vec::with_capacity(PREAMBLE_BYTES + map.len());
        encoded.extend(MAGIC);
        encoded.extend((map.len() as u32).to_le_bytes());
        encoded.extend(map);
        Ok(encoded)
    }

    /// Reads the header of a file of `size` bytes and tells its length in bytes.
    ///
    /// `None` when the file does not begin with a whole and sound header: then all of it is content.
    pub(super) fn read(file: &File, size: u64) -> io::Result<Option<(Self, u64)>> {
        if size < PREAMBLE_BYTES as u64 {
            return Ok(None);
        }
        let mut preamble = [0; PREAMBLE_BYTES];
        file.read_exact_at(&mut preamble, 0)?;
        let [a, b, version, length @ ..] = preamble;
        let map_length = u32::from_le_bytes(length) as usize;
        let header_length = (PREAMBLE_BYTES + map_length) as u64;
        if [a, b, version] != MAGIC || map_length > MAX_MAP_BYTES || header_length > size {
            return Ok(None);
        }
        let mut map = vec![0; map_length];
        file.read_exact_at(&mut map, PREAMBLE_BYTES as u64)?;
        Ok(rmp_serde::from_slice(&map).ok().map(|map| (Self(map), header_length)))
    }

    /// The object's metadata: what is stored, and what the file system tells where nothing is.
    pub(super) fn over(mut self, derived: ObjectMeta) -> ObjectMeta {
        self.0.retain(|name, value| !NOT_OF_THE_OBJECT.contains(&name.as_str()) && is_header(name, value));
        let content_type = self.0.remove("content-type").filter(|value| !value.is_empty());
        let tag = self.0.remove("etag").map(|value| EntityTag::new(&value)).filter(|tag| !tag.opaque().is_empty());
        ObjectMeta {
            content_type: content_type.or(derived.content_type),
            etag: tag.or(derived.etag),
            headers: self.0,
            ..derived
        }
    }
}

/// Whether the pair can stand in an HTTP answer as it is.
fn is_header(name: &str, value: &str) -> bool {
    HeaderName::from_lowercase(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// As mort writes it: a fixmap of two, with a str8 value.
    const MORTS: &[u8] = b"\x12\x34\x01\x40\x00\x00\x00\x82\
        \xaccontent-type\xaaimage/jpeg\xa4etag\xd9\x200123456789abcdef0123456789abcdefPIXELS";

    fn read(bytes: &[u8]) -> Option<(Header, u64)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Header::read(&file, bytes.len() as u64).unwrap()
    }

    #[test]
    fn the_header_that_mort_writes_is_read() {
        let (header, header_length) = read(MORTS).unwrap();
        let meta = header.over(ObjectMeta::default());
        assert_eq!(&MORTS[header_length as usize..], b"PIXELS");
        assert_eq!(meta.content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(meta.etag, Some(EntityTag::new("0123456789abcdef0123456789abcdef")));
    }

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        let headers = [("cache-control", "no-cache"), ("x-amz-meta-who", "Zoe")];
        let meta = ObjectMeta {
            content_type: Some("image/webp".to_owned()),
            etag: Some(EntityTag::new("abc")),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..ObjectMeta::default()
        };
        let (header, _) = read(&Header::of(&meta).encode().unwrap()).unwrap();
        assert_eq!(header.over(ObjectMeta::default()), meta);
    }

    #[test]
    fn what_is_not_a_whole_sound_header_is_content() {
        let lying = b"\x12\x34\x01\xff\xff\xff\xffPIXELS";
        let beyond = b"\x12\x34\x01\x08\x00\x00\x00PIXELS";
        let not_a_map = b"\x12\x34\x01\x01\x00\x00\x00\x07PIXELS";
        let first_byte_only = b"\x12PIXELS";
        let other_version = b"\x12\x34\x02\x01\x00\x00\x00\x80";
        for raw in [&b""[..], b"\x12", b"\x12\x34\x01", lying, beyond, not_a_map, first_byte_only, other_version] {
            assert_eq!(read(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn what_could_not_stand_in_an_answer_is_left_out() {
        let map = [("x-split", "a\r\nb"), ("content-length", "1"), ("Bad Name", "x"), ("etag", ""), ("vary", "accept")];
        let header = Header(map.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let meta = header.over(ObjectMeta::default());
        assert_eq!(meta.headers, BTreeMap::from([("vary".to_owned(), "accept".to_owned())]));
        assert_eq!(meta.etag, None);
    }

    #[test]
    fn metadata_over_the_limit_is_refused() {
        let long = ("x-amz-meta-long".to_owned(), "x".repeat(MAX_MAP_BYTES));
        let meta = ObjectMeta { headers: [long].into(), ..ObjectMeta::default() };
        assert_eq!(Header::of(&meta).encode().unwrap_err().kind(), FaultKind::TooLarge);
    }
}

//! How an entry stands in Redis: one compact binary frame.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of this layout |
//! | 1 | flags: 1 = the body is deflated |
//! | 2, 2 | lengths of the media type and the validator |
//! | 4, 4 | width and height in pixels, 0 where unknown |
//! | 8 | time it was made, in seconds since 1970 |
//! | 8 | length of the body as it is served |
//! | 8 | mark of the epoch it was made under, folded into one number |
//! | 8 | checksum (XXH3) of everything else |
//! | … | media type, validator, body |
//!
//! Numbers are little-endian. Only successful results are entries, so there is no status; the other headers of an answer
//! come from the configuration of the instance that answers.

use std::io::{Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use mortar_actors::{EntityTag, Rendition};
use xxhash_rust::xxh3::Xxh3;

const VERSION: u8 = 2;
const DEFLATED: u8 = 1;
const HEAD: usize = 46;
const CHECKSUM: std::ops::Range<usize> = 38..46;
/// Smaller bodies do not get smaller; larger ones would hold the other work of the thread up.
const WORTH_DEFLATING: std::ops::RangeInclusive<usize> = 256..=(1 << 20);

/// Puts an entry into a frame, with its mark. Bodies that can be compressed are; pictures are left alone.
pub(super) fn encode(entry: &Rendition, mark: u64) -> Bytes {
    let deflated = compressed(entry);
    let body = deflated.as_deref().unwrap_or(&entry.body);
    let (media_type, validator) = (short(&entry.content_type), short(entry.etag.opaque()));
    let made = entry.last_modified.duration_since(UNIX_EPOCH).unwrap_or_default();

    let mut frame = BytesMut::with_capacity(HEAD + media_type.len() + validator.len() + body.len());
    frame.put_u8(VERSION);
    frame.put_u8(if deflated.is_some() { DEFLATED } else { 0 });
    frame.put_u16_le(media_type.len() as u16);
    frame.put_u16_le(validator.len() as u16);
    frame.put_u32_le(entry.width.unwrap_or(0));
    frame.put_u32_le(entry.height.unwrap_or(0));
    frame.put_u64_le(made.as_secs());
    frame.put_u64_le(entry.body.len() as u64);
    frame.put_u64_le(mark);
    frame.put_u64_le(0);
    frame.put_slice(media_type);
    frame.put_slice(validator);
    frame.put_slice(body);
    let sum = checksum(&frame);
    frame[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    frame.freeze()
}

/// Reads a frame and its mark. `None` when it is of another version, cut short, or damaged, or when its body has more than `limit`
/// bytes. The body shares the frame's buffer unless it was compressed.
pub(super) fn decode(frame: &Bytes, limit: u64) -> Option<(Rendition, u64)> {
    if frame.first() != Some(&VERSION) || frame.len() < HEAD {
        return None;
    }
    if u64_at(frame, CHECKSUM.start) != checksum(frame) {
        return None;
    }
    let validator_at = HEAD + usize::from(u16_at(frame, 2));
    let body_at = validator_at + usize::from(u16_at(frame, 4));
    if body_at > frame.len() {
        return None;
    }
    let length = Some(u64_at(frame, 22)).filter(|length| *length <= limit)?;
    let stored = frame.slice(body_at..);
    let body = if frame[1] & DEFLATED == 0 { stored } else { inflated(&stored, length)? };
    if body.len() as u64 != length {
        return None;
    }
    let side = |pixels: u32| (pixels > 0).then_some(pixels);
    let entry = Rendition {
        body,
        content_type: std::str::from_utf8(&frame[HEAD..validator_at]).ok()?.to_owned(),
        etag: EntityTag::new(std::str::from_utf8(&frame[validator_at..body_at]).ok()?),
        last_modified: SystemTime::checked_add(&UNIX_EPOCH, Duration::from_secs(u64_at(frame, 14)))?,
        width: side(u32_at(frame, 6)),
        height: side(u32_at(frame, 10)),
    };
    Some((entry, u64_at(frame, 30)))
}

/// Both texts are ours and short; a longer one could not be a header either.
fn short(text: &str) -> &[u8] {
    &text.as_bytes()[..text.len().min(usize::from(u16::MAX))]
}

fn compressed(entry: &Rendition) -> Option<Vec<u8>> {
    if !WORTH_DEFLATING.contains(&entry.body.len()) || !is_compressible(&entry.content_type) {
        return None;
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&entry.body).ok()?;
    encoder.finish().ok().filter(|deflated| deflated.len() < entry.body.len())
}

/// Reads one byte more than announced at most, so that a frame cannot unfold without end.
fn inflated(stored: &[u8], length: u64) -> Option<Bytes> {
    let mut body = Vec::with_capacity(usize::try_from(length).ok()?);
    DeflateDecoder::new(stored).take(length + 1).read_to_end(&mut body).ok()?;
    Some(body.into())
}

/// Whether the media type is one that is not compressed already.
fn is_compressible(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+json")
        || matches!(essence, "application/json" | "application/xml" | "application/javascript" | "image/bmp")
}

fn checksum(frame: &[u8]) -> u64 {
    let mut sum = Xxh3::new();
    sum.update(&frame[..CHECKSUM.start]);
    sum.update(&frame[CHECKSUM.end..]);
    sum.digest()
}

fn array_at<const N: usize>(frame: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&frame[at..at + N]);
    bytes
}

fn u16_at(frame: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(frame, at))
}

fn u32_at(frame: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(frame, at))
}

fn u64_at(frame: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(frame, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARK: u64 = u64::MAX - 3;

    fn entry(content_type: &str, body: Vec<u8>) -> Rendition {
        Rendition {
            body: body.into(),
            content_type: content_type.to_owned(),
            etag: EntityTag::new("0123456789abcdef0123456789abcdef"),
            last_modified: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            width: Some(400),
            height: None,
        }
    }

    #[test]
    fn an_entry_comes_back_as_it_was_and_shares_the_frames_buffer() {
        let picture = entry("image/jpeg", (0..5000u32).map(|n| (n % 251) as u8).collect());
        let frame = encode(&picture, MARK);
        let read = decode(&frame, 1 << 20).unwrap();
        assert_eq!(read, (picture, MARK));
        assert!(frame.as_ptr_range().contains(&read.0.body.as_ptr()), "the body was copied");
    }

    /// Red when nothing is compressed: `compressed` that always gives `None`.
    #[test]
    fn fault_18_pictures_cost_their_bytes_and_texts_less() {
        let picture = entry("image/webp", vec![0; 10_000]);
        assert!(encode(&picture, MARK).len() <= 10_000 + 96);
        let text = entry("application/json; charset=utf-8", br#"{"width":400,"height":300}"#.repeat(400));
        let frame = encode(&text, MARK);
        assert!(frame.len() < text.body.len() / 10, "{} of {} bytes", frame.len(), text.body.len());
        assert_eq!(decode(&frame, 1 << 20).unwrap().0, text);
    }

    #[test]
    fn what_does_not_get_smaller_is_left_alone() {
        let noise = (0..1000u32).map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()) as u8).collect();
        for body in [noise, b"short".to_vec()] {
            let frame = encode(&entry("text/plain", body), MARK);
            assert_eq!(frame[1], 0);
            assert!(decode(&frame, 1 << 20).is_some());
        }
    }

    #[test]
    fn another_version_is_not_read() {
        let mut frame = encode(&entry("image/png", vec![1; 100]), MARK).to_vec();
        frame[0] = VERSION + 1;
        assert_eq!(decode(&frame.into(), 1 << 20), None);
    }

    #[test]
    fn a_frame_cut_short_anywhere_is_not_read() {
        let whole = encode(&entry("text/html", b"again and again ".repeat(100)), MARK);
        for length in 0..whole.len() {
            assert_eq!(decode(&whole.slice(..length), 1 << 20), None, "cut to {length} bytes");
        }
    }

    #[test]
    fn a_body_beyond_the_limit_is_not_unfolded() {
        let frame = encode(&entry("text/plain", vec![b'a'; 100_000]), MARK);
        assert!(frame.len() < 1_000);
        assert_eq!(decode(&frame, 99_999), None);
        assert!(decode(&frame, 100_000).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_any_damage_is_noticed(
            noise in proptest::collection::vec(any::<u8>(), 0..200),
            body in proptest::collection::vec(any::<u8>(), 0..400),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            prop_assert_eq!(decode(&noise.into(), 1 << 20), None);
            let mut frame = encode(&entry("text/plain", body), MARK).to_vec();
            let at = at.index(frame.len());
            frame[at] ^= flip;
            prop_assert_eq!(decode(&frame.into(), 1 << 20), None);
        }
    }
}

/// The signature before the first chunk.
const SIGNATURE_BYTES: usize = 8;

/// Length and type before a chunk's data, the checksum after it.
const FRAME_BYTES: usize = 12;

/// Puts the right checksum after every whole chunk of a PNG. Without it a changed byte is found out by the checksum,
/// and nothing of what lies behind it would ever be tried.
#[must_use]
pub fn with_right_checksums(png: &[u8]) -> Vec<u8> {
    let mut mended = png.to_vec();
    let mut rest = mended.get_mut(SIGNATURE_BYTES..).unwrap_or_default();
    while let Some((length, _)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        if rest.len() < FRAME_BYTES || rest.len() - FRAME_BYTES < length {
            break;
        }
        let (chunk, after) = rest.split_at_mut(FRAME_BYTES + length);
        let (covered, checksum) = chunk.split_at_mut(8 + length);
        checksum.copy_from_slice(&crc32(&covered[4..]).to_be_bytes());
        rest = after;
    }
    mended
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        let crc = crc ^ u32::from(*byte);
        (0..8).fold(crc, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

//! Signatures of chunks: each one covers the one before it, the first one that of the request's head.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Refusal;
use crate::s3::claim::Claim;

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The signatures of one body, followed from chunk to chunk.
pub(super) struct SignatureChain {
    key: Vec<u8>,
    /// Time and scope, as they stand in each text that is signed.
    circumstances: String,
    /// The signature that the next one covers, in hexadecimal digits.
    previous: String,
    /// What the current chunk says its signature is.
    claimed: String,
    content: Sha256,
}

impl SignatureChain {
    /// Begins with the verified signature of the request's head. `time` is its `x-amz-date`.
    pub(super) fn new(secret: &str, claim: &Claim, time: &str) -> Self {
        let Claim { date, region, service, signature, .. } = claim;
        let key = [date.as_str(), region, service, "aws4_request"]
            .iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
                hmac(&key, part.as_bytes()).finalize().into_bytes().to_vec()
            });
        let circumstances = format!("{time}\n{date}/{region}/{service}/aws4_request");
        let previous = signature.clone();
        Self { key, circumstances, previous, claimed: String::new(), content: Sha256::new() }
    }

    /// Begins a chunk that is signed by `signature`.
    pub(super) fn begin(&mut self, signature: &str) {
        signature.clone_into(&mut self.claimed);
        self.content = Sha256::new();
    }

    /// Takes content of the chunk.
    pub(super) fn update(&mut self, content: &[u8]) {
        self.content.update(content);
    }

    /// Ends the chunk.
    pub(super) fn verify_chunk(&mut self) -> Result<(), Refusal> {
        let content = hex(&std::mem::take(&mut self.content).finalize());
        let text =
            format!("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{EMPTY_SHA256}\n{content}", self.circumstances, self.previous);
        self.verify(&text, &self.claimed)?;
        self.previous = std::mem::take(&mut self.claimed);
        Ok(())
    }

    /// Verifies the headers behind the last chunk.
    pub(super) fn verify_trailer(&self, headers: &[(String, String)], signature: &str) -> Result<(), Refusal> {
        let mut lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        lines.sort_unstable();
        let headers = hex(&Sha256::digest(lines.concat()));
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{headers}", self.circumstances, self.previous);
        self.verify(&text, signature)
    }

    /// Compares in constant time.
    fn verify(&self, text: &str, signature: &str) -> Result<(), Refusal> {
        let mut claimed = [0; 32];
        decode_hex(signature, &mut claimed).ok_or(Refusal::Signature)?;
        hmac(&self.key, text.as_bytes()).verify_slice(&claimed).map_err(|_| Refusal::Signature)
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac
}

/// Bytes as lower-case hexadecimal digits.
pub(in crate::s3) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}

/// Reads exactly as many bytes as `bytes` holds. `None` when the text is something else.
pub(in crate::s3) fn decode_hex(text: &str, bytes: &mut [u8]) -> Option<()> {
    if text.len() != bytes.len() * 2 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documentation of Amazon S3, "Example Calculations: Transferring Payload in Multiple Chunks".
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    const FIRST: &str = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";
    const SECOND: &str = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497";
    const LAST: &str = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9";

    fn chain() -> SignatureChain {
        let claim = Claim {
            date: "20130524".to_owned(),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
            signed_headers: Vec::new(),
            signature: SEED.to_owned(),
        };
        SignatureChain::new(SECRET, &claim, "20130524T000000Z")
    }

    fn chunk(chain: &mut SignatureChain, signature: &str, length: usize) -> Result<(), Refusal> {
        chain.begin(signature);
        chain.update(&vec![b'a'; length]);
        chain.verify_chunk()
    }

    #[test]
    fn the_published_example_is_verified() {
        let mut chain = chain();
        for (signature, length) in [(FIRST, 65_536), (SECOND, 1024), (LAST, 0)] {
            assert_eq!(chunk(&mut chain, signature, length), Ok(()), "{length} bytes");
        }
    }

    #[test]
    fn a_chunk_that_was_changed_left_out_or_not_signed_is_refused() {
        assert_eq!(chunk(&mut chain(), FIRST, 65_535), Err(Refusal::Signature));
        assert_eq!(chunk(&mut chain(), SECOND, 1024), Err(Refusal::Signature));
        for nonsense in ["", "zz", &FIRST[1..], &format!("{FIRST}00")] {
            assert_eq!(chunk(&mut chain(), nonsense, 65_536), Err(Refusal::Signature));
        }
    }

    #[test]
    fn hexadecimal_digits_are_read_and_written() {
        let mut bytes = [0; 2];
        assert_eq!(decode_hex("0fF1", &mut bytes), Some(()));
        assert_eq!(hex(&bytes), "0ff1");
        for wrong in ["", "0f", "0g00", "+100", "0ff1ff"] {
            assert_eq!(decode_hex(wrong, &mut bytes), None, "{wrong}");
        }
    }
}

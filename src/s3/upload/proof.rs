use hyper::header::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::Checksum;
use s3s::{S3Result, s3_error};

use super::Refusal;
use super::chain::decode_hex;

/// The checksums that a client may send, by the header that carries them.
const CHECKSUMS: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

/// Compares a body with everything that its request says of it: length, hashes, checksums.
pub(super) struct Proof {
    left: u64,
    sha256: Option<(Sha256, [u8; 32])>,
    md5: Option<(Md5, [u8; 16])>,
    checksums: ChecksumHasher,
    /// Names, and what they are to be in base64 where that did not stand before the body.
    expected: Vec<(&'static str, Option<String>)>,
}

impl Proof {
    /// Takes what the head of a request says of a body of `length` bytes.
    ///
    /// # Errors
    /// `InvalidDigest` and `InvalidRequest` for values that no body can have.
    pub(super) fn new(headers: &HeaderMap, length: u64) -> S3Result<Self> {
        let mut proof = Self {
            left: length,
            sha256: None,
            md5: md5(headers)?.map(|expected| (Md5::new(), expected)),
            checksums: ChecksumHasher::default(),
            expected: Vec::new(),
        };
        if let Some(text) = text(headers, "x-amz-content-sha256") {
            let mut expected = [0; 32];
            proof.sha256 = decode_hex(text, &mut expected).map(|()| (Sha256::new(), expected));
        }
        let trailer = text(headers, "x-amz-trailer").unwrap_or_default();
        for name in CHECKSUMS {
            let announced = trailer.split(',').any(|other| other.trim().eq_ignore_ascii_case(name));
            let value = text(headers, name).map(str::to_owned);
            if announced || value.is_some() {
                proof.expect(name, value)?;
            }
        }
        Ok(proof)
    }

    fn expect(&mut self, name: &'static str, value: Option<String>) -> S3Result<()> {
        let hasher = &mut self.checksums;
        let length = match name {
            "x-amz-checksum-crc32" => hasher.crc32.insert(Crc32::new()).length(),
            "x-amz-checksum-crc32c" => hasher.crc32c.insert(Crc32c::new()).length(),
            "x-amz-checksum-crc64nvme" => hasher.crc64nvme.insert(Crc64Nvme::new()).length(),
            "x-amz-checksum-sha1" => hasher.sha1.insert(Sha1::new()).length(),
            _ => hasher.sha256.insert(Sha256::new()).length(),
        };
        let decoded = value.as_ref().map(|value| base64_simd::STANDARD.decode_to_vec(value));
        if decoded.is_some_and(|decoded| decoded.map_or(true, |bytes| bytes.len() != length)) {
            return Err(s3_error!(InvalidRequest, "Value for {name} header is invalid."));
        }
        self.expected.push((name, value));
        Ok(())
    }

    /// Takes the next piece of the body.
    pub(super) fn update(&mut self, content: &[u8]) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(content.len() as u64).ok_or(Refusal::TooLong)?;
        if let Some((hasher, _)) = &mut self.sha256 {
            hasher.update(content);
        }
        if let Some((hasher, _)) = &mut self.md5 {
            hasher.update(content);
        }
        self.checksums.update(content);
        Ok(())
    }

    /// Whether all announced bytes have come.
    pub(super) fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// Says that the body has ended, with these headers behind it, and gives the checksums that it has.
    pub(super) fn finish(self, trailer: &[(String, String)]) -> Result<Checksum, Refusal> {
        if self.left > 0 {
            return Err(Refusal::Incomplete);
        }
        if self.sha256.is_some_and(|(hasher, expected)| hasher.finalize() != expected) {
            return Err(Refusal::Sha256);
        }
        if self.md5.is_some_and(|(hasher, expected)| hasher.finalize() != expected) {
            return Err(Refusal::Digest);
        }
        let found = self.checksums.finalize();
        for (name, before) in &self.expected {
            let behind = trailer.iter().find(|(other, _)| other == name).map(|(_, value)| value);
            let expected = before.as_ref().or(behind).ok_or(Refusal::NoChecksum)?;
            if value_of(&found, name) != Some(expected) {
                return Err(Refusal::Digest);
            }
        }
        Ok(found)
    }
}

/// The length of what a hasher makes, in bytes.
trait Length: s3s::crypto::Checksum {
    fn length(&self) -> usize {
        size_of::<Self::Output>()
    }
}

impl<Hasher: s3s::crypto::Checksum> Length for Hasher {}

fn value_of<'c>(checksum: &'c Checksum, name: &str) -> Option<&'c String> {
    match name {
        "x-amz-checksum-crc32" => checksum.checksum_crc32.as_ref(),
        "x-amz-checksum-crc32c" => checksum.checksum_crc32c.as_ref(),
        "x-amz-checksum-crc64nvme" => checksum.checksum_crc64nvme.as_ref(),
        "x-amz-checksum-sha1" => checksum.checksum_sha1.as_ref(),
        _ => checksum.checksum_sha256.as_ref(),
    }
}

fn md5(headers: &HeaderMap) -> S3Result<Option<[u8; 16]>> {
    let Some(text) = text(headers, "content-md5") else { return Ok(None) };
    let decoded = base64_simd::STANDARD.decode_to_vec(text).ok().and_then(|bytes| bytes.try_into().ok());
    decoded.map(Some).ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn judge(headers: &[(&'static str, &str)], trailer: &[(&str, &str)], body: &[u8]) -> Result<(), Refusal> {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let trailer: Vec<_> = trailer.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut proof = Proof::new(&headers.collect(), 5).unwrap();
        proof.update(body)?;
        proof.finish(&trailer).map(drop)
    }

    /// Of `hello`, made by other programs.
    const HELLO: [(&str, &str); 8] = [
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="),
        ("x-amz-checksum-crc32", "NhCmhg=="),
        ("x-amz-checksum-crc32c", "mnG7TA=="),
        ("x-amz-checksum-crc64nvme", "M3eFcAZSQlc="),
        ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
        ("x-amz-content-sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ];

    #[test]
    fn each_header_is_compared_with_the_body() {
        for header in HELLO {
            assert_eq!(judge(&[header], &[], b"hello"), Ok(()), "{header:?}");
            let wrong = match header.0 {
                "x-amz-content-sha256" if header.1.starts_with('U') => Ok(()),
                "x-amz-content-sha256" => Err(Refusal::Sha256),
                _ => Err(Refusal::Digest),
            };
            assert_eq!(judge(&[header], &[], b"hullo"), wrong, "{header:?}");
        }
    }

    #[test]
    fn a_checksum_may_follow_the_body_and_must_when_it_was_announced() {
        let announced = [("x-amz-trailer", "x-amz-checksum-crc32")];
        let crc = ("x-amz-checksum-crc32", "NhCmhg==");
        assert_eq!(judge(&announced, &[crc], b"hello"), Ok(()));
        assert_eq!(judge(&announced, &[crc], b"hullo"), Err(Refusal::Digest));
        assert_eq!(judge(&announced, &[], b"hello"), Err(Refusal::NoChecksum));
    }

    #[test]
    fn a_body_of_another_length_is_refused() {
        assert_eq!(judge(&[], &[], b"hell"), Err(Refusal::Incomplete));
        assert_eq!(judge(&[], &[], b"hello!"), Err(Refusal::TooLong));
    }

    #[test]
    fn values_that_no_body_can_have_are_refused_before_it_is_read() {
        for (name, value) in
            [("content-md5", "short"), ("x-amz-checksum-crc32", "AA=="), ("x-amz-checksum-sha256", "?")]
        {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            assert!(Proof::new(&headers, 5).is_err(), "{name}");
        }
    }
}

//! The framing `aws-chunked`: pieces of content with their sizes, mostly with a signature each, and headers behind the
//! last one.
//!
//! It is decoded as it comes. Content is handed on before the signature of its chunk is known, so whoever stores it must
//! be able to take it back: a store shows an object only after its body has ended well. That way the memory that an upload
//! takes does not depend on the size that a client gives its chunks.

use bytes::Bytes;

use super::Refusal;
use super::chain::SignatureChain;

/// Longest line before a chunk, and longest line of the trailer, in bytes.
const MAX_LINE_BYTES: usize = 1024;

/// Most lines of a trailer.
const MAX_TRAILER_LINES: usize = 16;

/// Takes the frames off a body.
pub(super) struct Chunked {
    place: Place,
    line: Vec<u8>,
    chain: Option<SignatureChain>,
    trailer: Vec<(String, String)>,
    trailer_is_signed: bool,
    expects_trailer: bool,
}

/// Where in the frames the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Size,
    Content { left: u64 },
    AfterContent,
    Trailer,
    End,
}

impl Chunked {
    /// Chunks that are signed when there is a `chain`, followed by headers when `expects_trailer`.
    pub(super) fn new(chain: Option<SignatureChain>, expects_trailer: bool) -> Self {
        let (line, trailer) = (Vec::new(), Vec::new());
        Self { place: Place::Size, line, chain, trailer, trailer_is_signed: false, expects_trailer }
    }

    /// The next piece of content in `input`, of which it takes everything up to there. `None` when all of it is used up.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Refusal> {
        while !input.is_empty() {
            match self.place {
                Place::Content { left } => return self.content(input, left).map(Some),
                Place::End => return Err(Refusal::Malformed),
                Place::Size | Place::AfterContent | Place::Trailer => {
                    if self.read_line(input)? {
                        let line = std::mem::take(&mut self.line);
                        self.take_line(&line)?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Says that the body has ended, and gives the headers that followed it.
    pub(super) fn finish(mut self) -> Result<Vec<(String, String)>, Refusal> {
        // Some clients leave the last empty line out.
        if self.place == Place::Trailer && self.line.is_empty() {
            self.end()?;
        }
        if self.place == Place::End { Ok(self.trailer) } else { Err(Refusal::Incomplete) }
    }

    fn content(&mut self, input: &mut Bytes, left: u64) -> Result<Bytes, Refusal> {
        let length = left.min(input.len() as u64);
        let content = input.split_to(length as usize);
        if let Some(chain) = &mut self.chain {
            chain.update(&content);
        }
        self.place = match left - length {
            0 => Place::AfterContent,
            left => Place::Content { left },
        };
        if self.place == Place::AfterContent {
            self.end_chunk()?;
        }
        Ok(content)
    }

    /// Gathers a line up to its end, which is not kept. `false` when the end has not come yet.
    fn read_line(&mut self, input: &mut Bytes) -> Result<bool, Refusal> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let piece = input.split_to(end.map_or(input.len(), |end| end + 1));
        if self.line.len() + piece.len() > MAX_LINE_BYTES {
            return Err(Refusal::Malformed);
        }
        self.line.extend_from_slice(&piece);
        if end.is_none() {
            return Ok(false);
        }
        self.line.pop();
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(true)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let line = std::str::from_utf8(line).map_err(|_| Refusal::Malformed)?;
        match self.place {
            Place::Size => self.begin_chunk(line),
            Place::AfterContent if line.is_empty() => {
                self.place = Place::Size;
                Ok(())
            }
            Place::Trailer if line.is_empty() => self.end(),
            Place::Trailer => self.trailer_line(line),
            _ => Err(Refusal::Malformed),
        }
    }

    fn begin_chunk(&mut self, line: &str) -> Result<(), Refusal> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size = u64::from_str_radix(size.trim(), 16).map_err(|_| Refusal::Malformed)?;
        if let Some(chain) = &mut self.chain {
            let signature = extension.trim().strip_prefix("chunk-signature=").ok_or(Refusal::Signature)?;
            chain.begin(signature);
        }
        if size > 0 {
            self.place = Place::Content { left: size };
            return Ok(());
        }
        self.place = Place::Trailer;
        self.end_chunk()
    }

    fn end_chunk(&mut self) -> Result<(), Refusal> {
        self.chain.as_mut().map_or(Ok(()), SignatureChain::verify_chunk)
    }

    fn trailer_line(&mut self, line: &str) -> Result<(), Refusal> {
        let (name, value) = line.split_once(':').ok_or(Refusal::Malformed)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if name == "x-amz-trailer-signature" {
            let Some(chain) = &self.chain else { return Ok(()) };
            self.trailer_is_signed = true;
            return chain.verify_trailer(&self.trailer, &value);
        }
        // Behind the signature nothing is signed any more.
        if self.trailer_is_signed || self.trailer.len() >= MAX_TRAILER_LINES {
            return Err(Refusal::Malformed);
        }
        self.trailer.push((name, value));
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        if self.chain.is_some() && self.expects_trailer && !self.trailer_is_signed {
            return Err(Refusal::Signature);
        }
        if !self.expects_trailer && !self.trailer.is_empty() {
            return Err(Refusal::Malformed);
        }
        self.place = Place::End;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Content and trailer.
    type Decoded = (Vec<u8>, Vec<(String, String)>);

    fn decode(pieces: &[&[u8]], trailer: bool) -> Result<Decoded, Refusal> {
        let mut chunked = Chunked::new(None, trailer);
        let mut content = Vec::new();
        for piece in pieces {
            let mut input = Bytes::copy_from_slice(piece);
            while let Some(bytes) = chunked.decode(&mut input)? {
                content.extend_from_slice(&bytes);
            }
        }
        Ok((content, chunked.finish()?))
    }

    const BODY: &[u8] = b"4\r\nabcd\r\n3\r\nefg\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";

    #[test]
    fn content_and_trailer_come_out() {
        let (content, trailer) = decode(&[BODY], true).unwrap();
        assert_eq!(content, b"abcdefg");
        assert_eq!(trailer, [("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())]);
    }

    #[test]
    fn a_body_that_stops_before_its_last_chunk_is_incomplete() {
        let last_chunk = BODY.len() - b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n".len();
        for cut in (0..=last_chunk + 2).chain([BODY.len() - 5]) {
            assert_eq!(decode(&[&BODY[..cut]], true).unwrap_err(), Refusal::Incomplete, "{cut} bytes");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let long = [b'1'; MAX_LINE_BYTES + 1];
        for body in [
            &b"zz\r\nab\r\n"[..],
            b"-1\r\n",
            b"2\r\nabc\r\n0\r\n\r\n",
            b"fffffffffffffffff\r\n",
            b"0\r\n\r\nmore",
            b"0\r\nno colon\r\n\r\n",
            &long,
        ] {
            assert_eq!(decode(&[body], true).unwrap_err(), Refusal::Malformed, "{body:?}");
        }
        assert_eq!(decode(&[b"0\r\nx-sneaked:in\r\n\r\n"], false).unwrap_err(), Refusal::Malformed);
    }

    #[test]
    fn a_huge_chunk_is_handed_on_as_it_comes() {
        let mut chunked = Chunked::new(None, false);
        let mut input = Bytes::from_static(b"ffffffffff\r\nfirst bytes");
        assert_eq!(chunked.decode(&mut input).unwrap().unwrap(), "first bytes");
    }

    proptest! {
        #[test]
        fn how_the_network_cuts_a_body_makes_no_difference(cuts in proptest::collection::vec(1usize..9, 0..40)) {
            let mut pieces = Vec::new();
            let mut rest = BODY;
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(decode(&pieces, true).unwrap(), decode(&[BODY], true).unwrap());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&[&bytes], true);
        }
    }
}

//! Boxes of the ISO base media format, and a reader that runs dry instead of panicking.

/// Boxes one after the other: type and content. Ends at the first one that does not fit.
#[derive(Clone, Debug)]
pub(super) struct Boxes<'source>(pub(super) &'source [u8]);

/// Reads big-endian numbers; `None` at the end.
#[derive(Clone, Debug)]
pub(super) struct Reader<'source>(pub(super) &'source [u8]);

impl<'source> Boxes<'source> {
    /// The content of the first box of a type.
    pub(super) fn find(mut self, kind: &[u8; 4]) -> Option<&'source [u8]> {
        self.find_map(|(found, content)| (found == kind).then_some(content))
    }
}

impl<'source> Iterator for Boxes<'source> {
    type Item = (&'source [u8; 4], &'source [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let whole = self.0;
        let (length, rest) = whole.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (header, length) = match u32::from_be_bytes(*length) {
            0 => (8, whole.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?),
            length => (8, length as usize),
        };
        let content = whole.get(header..length)?;
        self.0 = &whole[length..];
        Some((kind, content))
    }
}

impl<'source> Reader<'source> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'source [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A number of 0, 4 or 8 bytes, as item locations have them.
    pub(super) fn sized(&mut self, bytes: u8) -> Option<u64> {
        match bytes {
            0 => Some(0),
            4 => self.u32().map(u64::from),
            8 => self.take(8)?.try_into().ok().map(u64::from_be_bytes),
            _ => None,
        }
    }

    /// The version and flags that begin a full box.
    pub(super) fn version(&mut self) -> Option<(u8, u32)> {
        let word = self.u32()?;
        // The top byte, so the cast keeps everything.
        Some(((word >> 24) as u8, word & 0x00FF_FFFF))
    }

    /// A number of 16 bits in old versions of a box and 32 in new ones.
    pub(super) fn id(&mut self, wide: bool) -> Option<u32> {
        if wide { self.u32() } else { self.u16().map(u32::from) }
    }
}

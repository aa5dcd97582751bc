//! What instances need to agree on which results are of an original that was replaced.

use std::fmt;

use async_trait::async_trait;

use crate::fault::Fault;
use crate::vocab::{OriginalId, Originals};

/// Marks of originals, kept where all instances of one installation see them.
#[async_trait]
pub trait SharedEpochs: Send + Sync + 'static {
    /// The mark of an original at this moment.
    ///
    /// # Errors
    /// `Upstream` or `TimedOut` when the shared store cannot be asked; the instance then goes by what it knows.
    async fn mark(&self, original: &OriginalId) -> Result<Mark, Fault>;

    /// Gives the originals, all of one bucket, a new mark, and then tells the other instances. What has been told by the
    /// time the mark is set need not have arrived.
    ///
    /// # Errors
    /// As [`SharedEpochs::mark`]; then the others may not know.
    async fn end(&self, originals: &Originals) -> Result<Token, Fault>;
}

/// A random number that is set anew when an epoch ends. Zero: none was set in living memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token(pub u64);

/// What an epoch is told from the others of the same original by: the tokens set last for its whole bucket, or a part of
/// it, and for the original by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Set when more originals of the bucket are replaced at once.
    pub bucket: Token,
    /// Set when this one is.
    pub own: Token,
}

impl Mark {
    /// Whether ending an epoch with this token made the mark what it is.
    pub fn has(self, token: Token) -> bool {
        self.bucket == token || self.own == token
    }

    /// Reads what [`Mark`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (bucket, own) = text.split_once('.').unwrap_or(("0", text));
        let token = |text| u64::from_str_radix(text, 16).ok().map(Token);
        Some(Self { bucket: token(bucket)?, own: token(own)? })
    }
}

impl fmt::Display for Mark {
    /// In hexadecimal digits, shorter where only the original by itself was replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bucket {
            Token(0) => write!(f, "{:x}", self.own.0),
            Token(bucket) => write!(f, "{bucket:x}.{:x}", self.own.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for (bucket, own, text) in [(0, 0, "0"), (0, 255, "ff"), (16, 0, "10.0"), (u64::MAX, 1, "ffffffffffffffff.1")] {
            let mark = Mark { bucket: Token(bucket), own: Token(own) };
            assert_eq!((mark.to_string().as_str(), Mark::parse(text)), (text, Some(mark)));
        }
        assert_eq!(Mark::parse("x"), None);
        assert_eq!(Mark::parse(""), None);
    }
}

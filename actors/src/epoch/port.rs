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

    /// Changes the mark of the originals, all of one bucket, to one of the same replacement, by [`Token::recalled`] in one
    /// step, and then tells the other instances.
    ///
    /// # Errors
    /// As [`SharedEpochs::end`].
    async fn recall(&self, originals: &Originals) -> Result<(), Fault>;
}

/// A number that changes when an epoch ends: a random part for each replacement, and below it how often what was derived
/// since was recalled. It fits into an `i64`. Zero: none was set in living memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token(pub u64);

/// The bits of a token that count recalls. Should they ever overflow, that is taken for a replacement.
const RECALL_BITS: u32 = 16;

impl Token {
    /// The token of a replacement; equal numbers have equal tokens.
    pub fn of_replacement(random: u64) -> Self {
        let replacement = (random >> (RECALL_BITS + 1)).max(1);
        Self(replacement << RECALL_BITS)
    }

    /// The token after what was derived is recalled: one more.
    pub fn recalled(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    fn replacement(self) -> u64 {
        self.0 >> RECALL_BITS
    }
}

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
    /// Whether the replacement of this token made the mark what it is, recalls since then aside.
    pub fn has(self, token: Token) -> bool {
        [self.bucket, self.own].iter().any(|own| own.replacement() == token.replacement())
    }

    /// Whether nothing was replaced between the two marks.
    pub(super) fn is_of_replacement_of(self, other: Self) -> bool {
        let replacements = |mark: Self| (mark.bucket.replacement(), mark.own.replacement());
        replacements(self) == replacements(other)
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
    fn a_recall_changes_a_mark_and_not_what_it_is_of() {
        for random in [0, 1, u64::MAX] {
            let token = Token::of_replacement(random);
            let [mark, recalled] = [token, token.recalled()].map(|own| Mark { own, ..Mark::default() });
            assert!(mark != recalled && mark.is_of_replacement_of(recalled) && recalled.has(token));
            assert!(i64::try_from(token.0).is_ok() && !Mark::default().has(token));
        }
        let [one, other] =
            [1 << 20, 2 << 20].map(|random| Mark { bucket: Token::of_replacement(random), ..Mark::default() });
        assert!(!one.is_of_replacement_of(other) && !one.has(other.bucket));
    }

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

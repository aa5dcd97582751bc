//! Lengths of time and sizes, as people write them.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
/// Beyond any machine, yet far from overflowing when a few of them are added.
pub(super) const MOST_BYTES: u64 = 1 << 50;
/// The shortest limit of time that is one.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// A size in bytes, written for people.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ByteSize(self.0))
    }
}

/// Reads `64MiB`, `10MB` or a number of bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    match text.trim().parse::<ByteSize>() {
        Ok(size) => Ok(size.as_u64()),
        Err(_) => Err(format!("{text:?} is not a size such as 64MiB or a number of bytes")),
    }
}

/// Reads `250ms`, `30s`, `5m`, `2h`, `7d` or a number of seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a length of time such as 250ms, 30s, 5m, 2h, 7d or a number of seconds");
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = trimmed.split_at(digits);
    let milliseconds = match unit.trim_start() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_plain_numbers_are_seconds() {
        let known = [("250ms", 250), ("30s", 30_000), ("30", 30_000), ("5m", 300_000), ("2 h", 7_200_000), ("0", 0)];
        for (text, milliseconds) in known {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1", "1.5s", "1 week", "99999999999999999999", "18446744073709551615d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units_and_plain_numbers_are_bytes() {
        let known = [("64MiB", 64 << 20), ("10MB", 10_000_000), ("512", 512), ("1 KiB", 1024)];
        for (text, bytes) in known {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        assert!(parse_size("much").is_err());
        assert!(parse_size("-5").is_err());
    }
}

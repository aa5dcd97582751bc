//! Shares, lengths of time and sizes, as they are written on the command line.

use std::str::FromStr;
use std::time::Duration;

/// A part of a whole, 0 to 1. Written `2%` or `0.02`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Share(pub(crate) f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let value = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
            None => text.parse::<f64>(),
        };
        match value {
            Ok(value) if (0.0..=1.0).contains(&value) => Ok(Self(value)),
            Ok(_) | Err(_) => Err(format!("{text:?} is no share: write 2% or 0.02")),
        }
    }
}

/// Reads `250ms`, `30s`, `5m` or a number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("{text:?} is no length of time: write 250ms, 30s or 5m")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} has no number in front"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("{text:?} is too long or negative"))
}

/// Reads `100MB`, `64MiB` or a number of bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = match unit {
        "" | "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("{text:?} is no size: write 100MB or 64MiB")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} has no number in front"))?;
    if number < 0.0 {
        return Err(format!("{text:?} is negative"));
    }
    Ok((number * factor) as u64)
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    (text[..end].trim(), text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percent_or_fractions_and_never_more_than_all() {
        assert_eq!("2%".parse(), Ok(Share(0.02)));
        assert_eq!("0.5".parse(), Ok(Share(0.5)));
        assert!(["101%", "-1%", "1.5", "much", "%"].iter().all(|text| text.parse::<Share>().is_err()));
    }

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(bytes("100MB"), Ok(100_000_000));
        assert_eq!(bytes("1KiB"), Ok(1024));
        assert!(
            duration("3h").is_err() && duration("-1s").is_err() && bytes("-1").is_err() && bytes("5 apples").is_err()
        );
    }
}

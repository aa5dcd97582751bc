//! How a replacement is told to the other instances: who tells it, and which originals it is about.

use mortar_actors::{OriginalId, Originals};

/// Writes the message of one instance.
pub(super) fn write(instance: u64, originals: &Originals) -> String {
    match originals {
        Originals::One(original) => format!("{instance:016x}={original}"),
        Originals::Beginning(text) => format!("{instance:016x}*{text}"),
    }
}

/// Reads who tells it and what. `None` when it was written by another version of this program.
pub(super) fn read(message: &str) -> Option<(u64, Originals)> {
    let (instance, rest) = message.split_at_checked(16)?;
    let instance = u64::from_str_radix(instance, 16).ok()?;
    let originals = match rest.split_at_checked(1)? {
        ("=", original) => Originals::One(OriginalId::new(original)),
        ("*", text) => Originals::Beginning(text.into()),
        _ => return None,
    };
    Some((instance, originals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        for originals in [Originals::One(OriginalId::new("media/ü*=.jpg")), Originals::Beginning("media/".into())] {
            assert_eq!(read(&write(7, &originals)), Some((7, originals)));
        }
    }

    #[test]
    fn what_is_no_message_is_passed_over() {
        for text in ["", "=", "0000000000000007", "0000000000000007?x", "zz00000000000007=x", "000000000000000ü=x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

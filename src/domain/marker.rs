//! The index of results: for each stored result an empty object beside it whose name tells the original.
//!
//! - `.mortar/variants/<bucket>/<key of the original>/=-<rest>=<mark>` for a result `<key of the original>/<rest>`, as most
//!   of them are called: a directory for each original and nothing below it;
//! - `.mortar/variants/<bucket>/<key of the original>/=/<key of the result>=<mark>` for any other.
//!
//! All results of an original, of a part of a bucket, or of a whole bucket are found by one listing, whatever the keys of
//! results look like, and without reading anything. It does not need the original: what is derived from an HTTP origin is
//! found as well.
//!
//! A component of an original's key that would be empty, `.` or `..`, or that begins with `=`, has `=x` before it, so
//! that every key has one name and no name has two meanings.

use std::borrow::Cow;

use mortar_actors::epoch::{Epoch, Mark};
use mortar_actors::{Key, ObjectKey, OriginalId, Originals};

/// Before all names that are Mortar's own. They are in no bucket as far as clients can tell.
const RESERVED: &str = ".mortar";
const VARIANTS: &str = ".mortar/variants/";
const ESCAPE: &str = "=x";
/// Before the rest of a result's key.
const REST: &str = "=-";

/// What the name of an object in the index says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The original that the result is derived from.
    pub original: OriginalId,
    /// The mark of the epoch that it was made under, so that what is made while older results are being removed keeps
    /// its marker.
    pub mark: Mark,
    /// The key of the result in the same store.
    pub result: ObjectKey,
}

/// Whether a key, with or without leading slashes, is kept for Mortar itself. Clients can neither read, list nor write
/// what it names. Some stores take leading slashes off, so any number of them counts.
pub fn is_reserved(key: &str) -> bool {
    let key = key.trim_start_matches('/');
    key.strip_prefix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Marker {
    /// The marker of a result that is made under an epoch. What is derived from no original is found by its own key.
    pub fn of(key: &Key, result: &ObjectKey, epoch: &Epoch) -> Self {
        let original = key.original().cloned().unwrap_or_else(|| OriginalId::new(key.as_str()));
        Self { original, mark: epoch.mark().unwrap_or_default(), result: result.clone() }
    }

    /// The name of the object.
    pub fn name(&self) -> ObjectKey {
        let Self { original, mark, result } = self;
        let directory = format!("{VARIANTS}{}/{}", original.bucket(), escaped(original.key()));
        ObjectKey::new(match rest(original, result) {
            Some(rest) => format!("{directory}/{REST}{rest}={mark}"),
            None => format!("{directory}/=/{result}={mark}"),
        })
    }

    /// Reads a name. `None` when it was not made by [`Marker::name`].
    pub fn parse(name: &ObjectKey) -> Option<Self> {
        let (bucket, rest) = name.as_str().strip_prefix(VARIANTS)?.split_once('/')?;
        let (named, mark) = rest.rsplit_once('=')?;
        // No component of an escaped key is a separator or begins as a rest does, so what comes first is it.
        let (key, result) = match (named.split_once("/=/"), named.rsplit_once('/')) {
            (Some((key, result)), _) => (unescaped(key), result.to_owned()),
            (None, Some((key, last))) => {
                let key = unescaped(key);
                let result = format!("{key}/{}", last.strip_prefix(REST)?);
                (key, result)
            }
            (None, None) => return None,
        };
        let original = OriginalId::in_bucket(bucket, &ObjectKey::new(key));
        Some(Self { original, mark: Mark::parse(mark)?, result: ObjectKey::new(result) })
    }

    /// What the names of all markers of these originals begin with; others may begin so, too.
    pub fn prefix(originals: &Originals) -> String {
        match originals {
            Originals::One(one) => format!("{VARIANTS}{}/{}/=", one.bucket(), escaped(one.key())),
            Originals::Beginning(text) => {
                let Some((bucket, key)) = text.split_once('/') else { return VARIANTS.to_owned() };
                let (whole, part) = key.rsplit_once('/').map_or(("", key), |(whole, part)| (whole, part));
                let directory = if key.contains('/') { escaped(whole) + "/" } else { String::new() };
                // Two dots may be the beginning of a name that is escaped, or of one that is not.
                let part = if matches!(part, "" | "." | "..") { Cow::Borrowed("") } else { escaped_component(part) };
                format!("{VARIANTS}{bucket}/{directory}{part}")
            }
        }
    }
}

/// What is left of a result's key after its original's, where that is one component.
fn rest<'result>(original: &OriginalId, result: &'result ObjectKey) -> Option<&'result str> {
    let rest = result.as_str().strip_prefix(original.key())?.strip_prefix('/')?;
    (!rest.contains('/')).then_some(rest)
}

pub(super) fn escaped(key: &str) -> String {
    let components: Vec<_> = key.split('/').map(escaped_component).collect();
    components.join("/")
}

fn escaped_component(component: &str) -> Cow<'_, str> {
    if matches!(component, "" | "." | "..") || component.starts_with('=') {
        return Cow::Owned(format!("{ESCAPE}{component}"));
    }
    Cow::Borrowed(component)
}

pub(super) fn unescaped(key: &str) -> String {
    let components: Vec<_> =
        key.split('/').map(|component| component.strip_prefix(ESCAPE).unwrap_or(component)).collect();
    components.join("/")
}

#[cfg(test)]
mod tests {
    use mortar_actors::epoch::Token;
    use proptest::prelude::*;

    use super::*;

    fn marker(original: &str, result: &str, own: u64) -> Marker {
        let mark = Mark { bucket: Token(0), own: Token(own) };
        Marker { original: OriginalId::new(original), mark, result: ObjectKey::new(result) }
    }

    #[test]
    fn a_name_can_be_read_by_people() {
        let name = marker("media/dir/a.jpg", "dir-a.jpg/4f", 0).name();
        assert_eq!(name.as_str(), ".mortar/variants/media/dir/a.jpg/=/dir-a.jpg/4f=0");
        let name = marker("media/dir/a.jpg", "dir/a.jpg/4f", 0).name();
        assert_eq!(name.as_str(), ".mortar/variants/media/dir/a.jpg/=-4f=0");
    }

    #[test]
    fn what_is_no_marker_is_not_read_as_one() {
        for name in ["", "a", ".mortar/variants/b", ".mortar/variants/b/=/r=0", "x/b/a/=/r=0"] {
            assert_eq!(Marker::parse(&ObjectKey::new(name)), None, "{name}");
        }
        for result in ["=/r", "=/r=", "=/r=zz", "=-r", "=-r=", "=-r=zz", "r=0", "=x=-r=0"] {
            assert_eq!(Marker::parse(&ObjectKey::new(format!(".mortar/variants/b/a/{result}"))), None, "{result}");
        }
    }

    #[test]
    fn reserved_is_the_one_directory_and_nothing_that_only_begins_alike() {
        for key in [".mortar", "/.mortar", ".mortar/", "/.mortar/variants/b/a/=/r=0", "//.mortar"] {
            assert!(is_reserved(key), "{key}");
        }
        for key in ["", "/", ".mortar-x", "a/.mortar/x", ".Mortar/x"] {
            assert!(!is_reserved(key), "{key}");
        }
    }

    fn key() -> impl Strategy<Value = String> {
        "([a=.]|=x|=0|/){1,10}"
    }

    proptest! {
        #[test]
        fn every_marker_is_read_as_it_was_written(original in key(), result in "[a=./]{1,8}", own: u64) {
            let marker = marker(&format!("b/{original}"), &result, own);
            prop_assert_eq!(Marker::parse(&marker.name()), Some(marker));
        }

        #[test]
        fn every_marker_of_a_result_below_its_original_is_read_as_it_was_written(
            original in key(), rest in "[a=.-]{0,8}", own: u64
        ) {
            let marker = marker(&format!("b/{original}"), &format!("{original}/{rest}"), own);
            prop_assert_eq!(Marker::parse(&marker.name()), Some(marker));
        }

        #[test]
        fn markers_of_an_original_are_found_by_its_prefix(original in key()) {
            let marker = marker(&format!("b/{original}"), "r", 7);
            let prefix = Marker::prefix(&Originals::One(marker.original.clone()));
            prop_assert!(marker.name().as_str().starts_with(&prefix));
        }

        #[test]
        fn markers_of_a_part_are_found_by_its_prefix(original in key(), length in 0usize..12) {
            let marker = marker(&format!("b/{original}"), "r", 7);
            let part = &original[..length.min(original.len())];
            let prefix = Marker::prefix(&Originals::Beginning(format!("b/{part}").into()));
            prop_assert!(marker.name().as_str().starts_with(&prefix), "{} {}", marker.name(), prefix);
        }

        #[test]
        fn no_component_of_a_marker_is_one_that_a_file_cannot_have(original in key()) {
            let marker = marker(&format!("b/{original}"), "r", 0);
            prop_assert!(marker.name().as_str().split('/').all(|part| !matches!(part, "" | "." | "..")));
        }
    }
}

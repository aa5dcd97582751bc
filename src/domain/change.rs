//! Changes of originals that are under way: for each of them an empty object beside the originals whose name tells which.
//!
//! - `.mortar/changes/<bucket>/<key of the original>=<number>`, with `=s` for each slash of the key and `=e` for each equals
//!   sign, so that a note needs no directories of its own: they would cost more than the note;
//! - `.mortar/changes/<bucket>/<key of the original>/=/<number>` where that would be longer than a file's name may be. The
//!   key is written as in a [`Marker`](super::Marker) then, which is longer: an original whose change cannot be noted, since
//!   the name is too long for its storage, has no stored results there either.

use mortar_actors::{ObjectKey, OriginalId};

use super::marker::{escaped, unescaped};

const CHANGES: &str = ".mortar/changes/";
/// Bytes of a key in one component: with the number they fit into the 255 that file systems give to a name.
const LONGEST: usize = 240;

/// One change of an original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is written or removed.
    pub original: OriginalId,
    /// Tells it from other changes of the same original.
    number: u32,
}

impl Change {
    /// A change that begins.
    pub fn new(original: OriginalId) -> Self {
        Self { original, number: rand::random() }
    }

    /// The name of the object that tells of it, in the store of the bucket's originals.
    pub fn name(&self) -> ObjectKey {
        let Self { original, number } = self;
        let (bucket, key) = (original.bucket(), original.key());
        ObjectKey::new(match flattened(key) {
            Some(key) => format!("{CHANGES}{bucket}/{key}={number:08x}"),
            None => format!("{CHANGES}{bucket}/{}/=/{number:08x}", escaped(key)),
        })
    }

    /// Reads a name. `None` when it was not made by [`Change::name`].
    pub fn parse(name: &ObjectKey) -> Option<Self> {
        let (bucket, rest) = name.as_str().strip_prefix(CHANGES)?.split_once('/')?;
        // No component of an escaped key is the separator.
        let (key, number) = match rest.split_once("/=/") {
            Some((key, number)) => (unescaped(key), number),
            None => {
                let (key, number) = rest.rsplit_once('=')?;
                (unflattened(key)?, number)
            }
        };
        let original = OriginalId::in_bucket(bucket, &ObjectKey::new(key));
        Some(Self { original, number: u32::from_str_radix(number, 16).ok()? })
    }

    /// What the names of all changes in a bucket begin with.
    pub fn prefix(bucket: &str) -> String {
        format!("{CHANGES}{bucket}/")
    }
}

/// The key as one component of a path, where it is short enough for that.
fn flattened(key: &str) -> Option<String> {
    let flat = key.replace('=', "=e").replace('/', "=s");
    (flat.len() <= LONGEST).then_some(flat)
}

/// `None` for what is no key in one component.
fn unflattened(flat: &str) -> Option<String> {
    let mut parts = flat.split('=');
    let mut key = parts.next()?.to_owned();
    for part in parts {
        key.push(match part.chars().next()? {
            's' => '/',
            'e' => '=',
            _ => return None,
        });
        key.push_str(&part[1..]);
    }
    (!key.is_empty() && !flat.contains('/')).then_some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::is_reserved;
    use super::*;

    #[test]
    fn a_name_can_be_read_by_people() {
        let change = Change { original: OriginalId::new("media/dir/a.jpg"), number: 0x4f };
        assert_eq!(change.name().as_str(), ".mortar/changes/media/dir=sa.jpg=0000004f");
        let long = format!("media/{}/a.jpg", "d".repeat(240));
        let change = Change { original: OriginalId::new(long.as_str()), number: 0x4f };
        assert_eq!(change.name().as_str(), format!(".mortar/changes/{long}/=/0000004f"));
    }

    #[test]
    fn what_tells_of_no_change_is_not_read_as_one() {
        for name in [
            "",
            "a",
            ".mortar/changes/b",
            ".mortar/changes/b/a/=/x",
            ".mortar/changes/b/a",
            ".mortar/changes/b/a=x",
            ".mortar/changes/b/=1",
            ".mortar/changes/b/a/c=1",
            ".mortar/changes/b/a=q=1",
            ".mortar/variants/b/a/=/r=0",
        ] {
            assert_eq!(Change::parse(&ObjectKey::new(name)), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_change_is_read_as_it_was_noted(key in "([a=.ü]|=x|=0|=s|/){1,10}|[a/]{235,250}") {
            let change = Change::new(OriginalId::new(format!("b/{key}")));
            let name = change.name();
            prop_assert!(is_reserved(name.as_str()) && name.as_str().starts_with(&Change::prefix("b")));
            prop_assert!(name.as_str().split('/').all(|part| !matches!(part, "" | "." | "..")));
            prop_assert_eq!(Change::parse(&name), Some(change));
        }
    }
}

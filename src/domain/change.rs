//! Changes of originals that are under way: for each of them an empty object beside the originals whose name tells which.
//!
//! `.mortar/changes/<bucket>/<key of the original>/=/<number>`. The key is written as in a [`Marker`](super::Marker),
//! which is longer: an original whose change cannot be noted, since the name is too long for its storage, has no stored
//! results there either.

use std::fmt;

use mortar_actors::{ObjectKey, OriginalId};

use super::marker::{escaped, unescaped};

const CHANGES: &str = ".mortar/changes/";

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
        ObjectKey::new(self.to_string())
    }

    /// Reads a name. `None` when it was not made by [`Change::name`].
    pub fn parse(name: &ObjectKey) -> Option<Self> {
        let (bucket, rest) = name.as_str().strip_prefix(CHANGES)?.split_once('/')?;
        // No component of an escaped key is the separator.
        let (key, number) = rest.split_once("/=/")?;
        let original = OriginalId::in_bucket(bucket, &ObjectKey::new(unescaped(key)));
        Some(Self { original, number: u32::from_str_radix(number, 16).ok()? })
    }

    /// What the names of all changes in a bucket begin with.
    pub fn prefix(bucket: &str) -> String {
        format!("{CHANGES}{bucket}/")
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { original, number } = self;
        write!(f, "{CHANGES}{}/{}/=/{number:08x}", original.bucket(), escaped(original.key()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::is_reserved;
    use super::*;

    #[test]
    fn a_name_can_be_read_by_people() {
        let change = Change { original: OriginalId::new("media/dir/a.jpg"), number: 0x4f };
        assert_eq!(change.name().as_str(), ".mortar/changes/media/dir/a.jpg/=/0000004f");
    }

    #[test]
    fn what_tells_of_no_change_is_not_read_as_one() {
        for name in ["", "a", ".mortar/changes/b", ".mortar/changes/b/a/=/x", ".mortar/variants/b/a/=/r=0"] {
            assert_eq!(Change::parse(&ObjectKey::new(name)), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_change_is_read_as_it_was_noted(key in "([a=.]|=x|=0|/){1,10}") {
            let change = Change::new(OriginalId::new(format!("b/{key}")));
            let name = change.name();
            prop_assert!(is_reserved(name.as_str()) && name.as_str().starts_with(&Change::prefix("b")));
            prop_assert!(name.as_str().split('/').all(|part| !matches!(part, "" | "." | "..")));
            prop_assert_eq!(Change::parse(&name), Some(change));
        }
    }
}

use std::path::PathBuf;

use mortar_actors::ObjectKey;

/// The directory, in the container, where writes are prepared. No key leads into it.
pub(super) const DRAFTS: &str = ".mortar-drafts";

/// The relative path of an object's file, or `None` for a key that no file can have.
///
/// Two keys never share a path: nothing is cleaned, so `a//b`, `./a`, `a/..`, `/a` and `a/` name nothing.
pub(super) fn key_path(key: &ObjectKey) -> Option<PathBuf> {
    let text = key.as_str();
    let plain = |component: &str| !matches!(component, "" | "." | "..");
    let nameable = !text.contains('\0') && text.split('/').all(plain) && text.split('/').next() != Some(DRAFTS);
    nameable.then(|| PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    fn path(key: &str) -> Option<PathBuf> {
        key_path(&ObjectKey::new(key))
    }

    #[test]
    fn ordinary_and_odd_names_are_paths() {
        for key in ["a", "a/b.jpg", "a b/ü%20.png", "...", "..a", ".hidden", r"a\b", "*?", "-rf", "~"] {
            assert_eq!(path(key), Some(PathBuf::from(key)), "{key}");
        }
    }

    proptest! {
        #[test]
        fn a_path_never_leaves_its_directory(key in r"([a.%\\ü]|/|\.\./|\x00){0,12}") {
            if let Some(path) = path(&key) {
                prop_assert!(path.components().all(|component| matches!(component, Component::Normal(_))));
                prop_assert_eq!(path.components().count(), key.split('/').count());
            }
        }
    }

    #[test]
    fn names_that_a_file_cannot_have_are_none() {
        for key in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "../a", "a\0b", ".mortar-drafts/x"] {
            assert_eq!(path(key), None, "{key:?}");
        }
    }
}

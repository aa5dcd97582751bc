//! Paths of URLs as bucket and key.

use std::borrow::Cow;

use mortar_actors::Fault;
use percent_encoding::percent_decode_str;

use super::invalid;

/// Decodes the path of a URL.
///
/// # Errors
/// `Invalid` for a broken escape and for what is not UTF-8.
pub(super) fn decode(path: &str) -> Result<Cow<'_, str>, Fault> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut rest = path.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match &rest[at + 1..] {
            [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest = after,
            _ => return Err(invalid("the path has a % without two hexadecimal digits")),
        }
    }
    percent_decode_str(path).decode_utf8().map_err(|_| invalid("the path is not UTF-8"))
}

/// Splits `/bucket/key` into the bucket's name and the key with its leading slash. The key of a path that names only a
/// bucket is empty.
///
/// # Errors
/// `Invalid` for a path that no store may see: without a leading slash, with NUL, or with `.` or `..` as a segment.
pub(super) fn split(path: &str) -> Result<(&str, &str), Fault> {
    if path.contains('\0') {
        return Err(invalid("the path contains NUL"));
    }
    let Some(inner) = path.strip_prefix('/') else { return Err(invalid("the path does not start with a slash")) };
    if inner.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(invalid("the path has a segment . or .."));
    }
    Ok(inner.split_at(inner.find('/').unwrap_or(inner.len())))
}

/// Puts a bucket before a key and drops empty segments, as mort does for parents in a configured bucket.
pub(super) fn join(bucket: &str, key: &str) -> String {
    let mut path = String::with_capacity(bucket.len() + key.len() + 2);
    for segment in [bucket].into_iter().chain(key.split('/').filter(|segment| !segment.is_empty())) {
        path.push('/');
        path.push_str(segment);
    }
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode("/b/%2525%20%C3%BC+").unwrap(), "/b/%25 ü+");
        for broken in ["/b/%", "/b/%2", "/b/%zz", "/b/%2g", "/b/%+1"] {
            assert!(decode(broken).is_err(), "{broken}");
        }
        assert!(decode("/b/%ff").is_err());
    }

    #[test]
    fn the_key_keeps_its_slashes() {
        assert_eq!(split("/b/dir//x/").unwrap(), ("b", "/dir//x/"));
        assert_eq!(split("/b//x").unwrap(), ("b", "//x"));
        assert_eq!(split("/b").unwrap(), ("b", ""));
        assert_eq!(split("/").unwrap(), ("", ""));
    }

    #[test]
    fn what_could_climb_is_refused() {
        for path in ["/b/../x", "/../b/x", "/b/x/..", "/b/./x", "/b/a\0b", "b/x", ""] {
            assert!(split(path).is_err(), "{path:?}");
        }
        assert!(split("/b/..x/x../...").is_ok());
    }

    proptest! {
        #[test]
        fn a_split_path_never_climbs(path in "(/|\\.|%2e|%2F|%00|a|ü|\\\\){0,24}") {
            let Ok(decoded) = decode(&path) else { return Ok(()) };
            let Ok((bucket, key)) = split(&decoded) else { return Ok(()) };
            prop_assert!(!key.contains('\0') && !bucket.contains('/'));
            prop_assert!(key.split('/').all(|segment| segment != ".." && segment != "."));
            prop_assert_eq!(format!("/{bucket}{key}"), decoded.into_owned());
        }

        #[test]
        fn joining_keeps_the_bucket(key in "[/a.]{0,12}") {
            prop_assert!(join("b", &key).starts_with("/b"));
            prop_assert!(!join("b", &key).contains("//"));
        }
    }
}

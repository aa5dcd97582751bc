use std::collections::HashMap;

use super::Held;

/// The keys of one profile in the text of a shared credentials file.
pub(super) fn keys(text: &str, profile: &str) -> Option<Held> {
    let mut is_ours = false;
    let mut values = HashMap::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            is_ours = name.trim() == profile;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| is_ours) {
            values.insert(key.trim().to_ascii_lowercase(), value.trim());
        }
    }
    let token = values.get("aws_session_token").copied();
    Some(Held::lasting(values.get("aws_access_key_id")?, values.get("aws_secret_access_key")?, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
        # comment\n[default]\naws_access_key_id = AK\naws_secret_access_key=se=cret\n\n\
        [ work ]\naws_access_key_id=WORK\naws_secret_access_key=w\naws_session_token = t\n\
        [half]\naws_access_key_id=HALF\n";

    fn read(profile: &str) -> Option<(String, String, Option<String>)> {
        let keys = keys(FILE, profile)?.keys?;
        let owned = |text: &str| text.to_owned();
        Some((owned(keys.aws_access_key_id()), owned(keys.aws_secret_access_key()), keys.token().clone()))
    }

    #[test]
    fn each_profile_has_its_own_keys() {
        assert_eq!(read("default"), Some(("AK".to_owned(), "se=cret".to_owned(), None)));
        assert_eq!(read("work"), Some(("WORK".to_owned(), "w".to_owned(), Some("t".to_owned()))));
    }

    #[test]
    fn a_profile_that_is_missing_or_half_has_none() {
        assert_eq!(read("half"), None);
        assert_eq!(read("other"), None);
    }
}

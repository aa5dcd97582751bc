//! Reads `[s3_api]`, and checks that an access key means the same everywhere.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::problems::Findings;
use super::reader::Section;
use super::units::{DAY, GIB, HOUR, KIB, MIB, SHORTEST};
use super::{AccessKey, BucketConfig, S3ApiConfig};

pub(super) fn s3_api(mut section: Section<'_>) -> S3ApiConfig {
    let seconds = Duration::from_secs;
    let regions = section.parsed_texts("regions", region).filter(|regions| !regions.is_empty());
    let api = S3ApiConfig {
        regions: regions.unwrap_or_else(|| vec!["us-east-1".to_owned(), "mort".to_owned()]),
        key: key(&mut section),
        max_object_size: section.size("max_object_size", 5 * GIB, MIB..=5 * GIB),
        upload_timeout: section.duration("upload_timeout", HOUR, seconds(1)..=DAY),
        upload_idle_timeout: section.duration("upload_idle_timeout", seconds(30), SHORTEST..=HOUR),
        upload_min_rate: section.size("upload_min_rate", 4 * KIB, 0..=MIB),
        multipart_uploads: section.count("multipart_uploads", 1000, 1..=100_000),
        multipart_time_to_live: section.duration("multipart_time_to_live", 7 * DAY, seconds(1)..=365 * DAY),
        multipart_completed_time_to_live: section.duration(
            "multipart_completed_time_to_live",
            HOUR,
            seconds(1)..=7 * DAY,
        ),
    };
    section.finish();
    api
}

/// Notes access keys that stand for two different secrets, or twice in one bucket: nobody could say which one counts.
pub(super) fn check_keys(api: &S3ApiConfig, buckets: &BTreeMap<String, BucketConfig>, findings: &Findings) {
    let mut secrets: HashMap<&str, &str> = HashMap::new();
    if let Some(key) = &api.key {
        secrets.insert(&key.access_key, &key.secret_access_key);
    }
    for (name, bucket) in buckets {
        for (index, key) in bucket.keys.iter().enumerate() {
            let place = format!("buckets.{name}.keys[{index}].access_key");
            let secret = *secrets.entry(&key.access_key).or_insert(&key.secret_access_key);
            if secret != key.secret_access_key {
                findings.add(&place, "stands for another secret elsewhere");
            }
            if bucket.keys[..index].iter().any(|earlier| earlier.access_key == key.access_key) {
                findings.add(&place, "stands there twice");
            }
        }
    }
}

/// Both texts empty, or left out, means no such pair, so that the environment alone can set it.
fn key(section: &mut Section<'_>) -> Option<AccessKey> {
    let access_key = section.text_or("access_key", "");
    let secret_access_key = section.text_or("secret_access_key", "");
    match (access_key.is_empty(), secret_access_key.is_empty()) {
        (true, true) => None,
        (false, false) => Some(AccessKey { access_key, secret_access_key, read_only: false }),
        (true, false) => {
            section.problem("access_key", "is missing; it belongs to secret_access_key");
            None
        }
        (false, true) => {
            section.problem("secret_access_key", "is missing; it belongs to access_key");
            None
        }
    }
}

fn region(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err(format!("{text:?} is not a region; it has letters, digits, - and _ only"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::config::parse;

    #[test]
    fn a_key_has_one_secret_and_stands_once_in_a_bucket() {
        let key = |bucket: &str, secret: &str| {
            format!("[[buckets.{bucket}.keys]]\naccess_key = \"a\"\nsecret_access_key = \"{secret}\"\n")
        };
        let storages = "[buckets.one.storages.basic]\nkind = \"noop\"\n[buckets.two.storages.basic]\nkind = \"noop\"\n";
        let problems = |keys: &[String]| match parse(&format!("{}{storages}", keys.concat()), &HashMap::new()) {
            Ok(_) => String::new(),
            Err(problems) => problems.to_string(),
        };
        assert_eq!(problems(&[key("one", "s"), key("two", "s")]), "");
        assert!(problems(&[key("one", "s"), key("two", "t")]).contains("another secret"));
        assert!(problems(&[key("one", "s"), key("one", "s")]).contains("twice"));
    }

    #[test]
    fn half_a_pair_is_a_problem() {
        for half in ["access_key", "secret_access_key"] {
            let problems = parse(&format!("[s3_api]\n{half} = \"x\""), &HashMap::new()).unwrap_err().to_string();
            assert!(problems.contains("is missing; it belongs to"), "{problems}");
        }
    }
}

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap};

use super::{DefaultHeaders, HeaderRules};

/// How long configured headers let shared caches keep a 200 of a bucket: `s-maxage` or `max-age` of its
/// `Cache-Control`, zero for `no-store` and `private`. `None` where they do not say.
pub fn shared_lifetime(defaults: &DefaultHeaders, rules: &HeaderRules) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    defaults.apply(StatusCode::OK, &mut headers);
    rules.apply(StatusCode::OK, &mut headers);
    lifetime(headers.get(CACHE_CONTROL)?.to_str().ok()?)
}

fn lifetime(cache_control: &str) -> Option<Duration> {
    let directives: Vec<String> = cache_control.split(',').map(|one| one.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|one| one == "no-store" || one == "private") {
        return Some(Duration::ZERO);
    }
    let seconds = |name: &str| {
        let value = directives.iter().find_map(|one| one.strip_prefix(name)?.strip_prefix('='))?;
        value.trim_matches('"').parse().ok().map(Duration::from_secs)
    };
    seconds("s-maxage").or_else(|| seconds("max-age"))
}

#[cfg(test)]
mod tests {
    use super::super::HeaderRule;
    use super::*;

    #[test]
    fn a_shared_cache_reads_its_own_directive_first() {
        for (text, seconds) in [
            ("public, max-age=60", Some(60)),
            ("max-age=60, S-MaxAge=\"5\"", Some(5)),
            ("no-store", Some(0)),
            ("private, max-age=60", Some(0)),
            ("public", None),
            ("max-age=soon", None),
        ] {
            assert_eq!(lifetime(text), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn rules_go_over_the_headers_of_the_bucket() {
        let pair = |value: &str| vec![("cache-control".to_owned(), value.to_owned())];
        let defaults = DefaultHeaders::new(&pair("max-age=1")).unwrap();
        let rule = HeaderRule { status_codes: vec![200], override_existing: true, values: pair("max-age=2") };
        let rules = HeaderRules::new(&[rule]).unwrap();
        assert_eq!(shared_lifetime(&defaults, &HeaderRules::default()), Some(Duration::from_secs(1)));
        assert_eq!(shared_lifetime(&defaults, &rules), Some(Duration::from_secs(2)));
        assert_eq!(shared_lifetime(&DefaultHeaders::default(), &HeaderRules::default()), None);
    }
}

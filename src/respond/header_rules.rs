use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, EXPIRES, HeaderMap, HeaderName,
    HeaderValue, TRANSFER_ENCODING, UPGRADE, VARY,
};

use super::vary_on;

/// Headers that follow from the body and the connection; no configuration may set them.
const RESERVED: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, TRANSFER_ENCODING, UPGRADE];

/// What a 206 or 304 must repeat of the 200 it stands for (RFC 9110, sections 15.3.7 and 15.4.5).
pub(crate) const TOLD_AGAIN: [HeaderName; 4] = [CACHE_CONTROL, CONTENT_LOCATION, EXPIRES, VARY];

/// Speaks of pictures and objects, never of errors: a cache must not keep an error as long as a picture.
const NOT_FOR_ERRORS: [HeaderName; 2] = [CACHE_CONTROL, EXPIRES];

/// One rule as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRule {
    /// The statuses of the answers it applies to.
    pub status_codes: Vec<u16>,
    /// Whether it replaces a header that is already there.
    pub override_existing: bool,
    /// Names, in any case, and values.
    pub values: Vec<(String, String)>,
}

/// All rules of an installation, ready to apply: every rule that lists a status applies to it, in order.
#[derive(Clone, Debug, Default)]
pub struct HeaderRules {
    by_status: Vec<(StatusCode, Vec<Setting>)>,
}

/// The default headers of one bucket, set where an answer does not have them yet.
#[derive(Clone, Debug, Default)]
pub struct DefaultHeaders(Vec<(HeaderName, HeaderValue)>);

#[derive(Clone, Debug)]
struct Setting {
    name: HeaderName,
    value: HeaderValue,
    override_existing: bool,
}

impl HeaderRules {
    /// Reads the rules. A rule for 200 also brings its caching headers to 206 and 304, which stand for a 200.
    ///
    /// # Errors
    /// A text that names the status, header name or value that is not one, or a header that may not be configured.
    pub fn new(rules: &[HeaderRule]) -> Result<Self, String> {
        let mut this = Self::default();
        for rule in rules {
            let settings = rule
                .values
                .iter()
                .map(|(name, value)| {
                    let (name, value) = read(name, value)?;
                    Ok(Setting { name, value, override_existing: rule.override_existing })
                })
                .collect::<Result<Vec<_>, String>>()?;
            for code in &rule.status_codes {
                let status = StatusCode::from_u16(*code).map_err(|_| format!("{code} is not a status code of HTTP"))?;
                this.at(status).extend(settings.iter().cloned());
            }
            if rule.status_codes.contains(&StatusCode::OK.as_u16()) {
                let told_again = settings.iter().filter(|setting| TOLD_AGAIN.contains(&setting.name));
                for status in [StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED] {
                    if !rule.status_codes.contains(&status.as_u16()) {
                        this.at(status).extend(told_again.clone().cloned());
                    }
                }
            }
        }
        Ok(this)
    }

    /// Applies every rule for `status`. A server error that is left without `Cache-Control` gets `no-store`.
    pub fn apply(&self, status: StatusCode, headers: &mut HeaderMap) {
        if let Some((_, settings)) = self.by_status.iter().find(|(listed, _)| *listed == status) {
            for setting in settings {
                set(headers, &setting.name, &setting.value, setting.override_existing);
            }
        }
        if status.is_server_error() && !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }

    fn at(&mut self, status: StatusCode) -> &mut Vec<Setting> {
        let place = self.by_status.iter().position(|(listed, _)| *listed == status).unwrap_or_else(|| {
            self.by_status.push((status, Vec::new()));
            self.by_status.len() - 1
        });
        &mut self.by_status[place].1
    }
}

impl DefaultHeaders {
    /// Reads names, in any case, and values.
    ///
    /// # Errors
    /// A text that names what is not a header name or value, or a header that may not be configured.
    pub fn new(values: &[(String, String)]) -> Result<Self, String> {
        values.iter().map(|(name, value)| read(name, value)).collect::<Result<_, _>>().map(Self)
    }

    /// Sets what is absent. An error does not take over how long pictures may be cached.
    pub fn apply(&self, status: StatusCode, headers: &mut HeaderMap) {
        let is_error = status.is_client_error() || status.is_server_error();
        for (name, value) in &self.0 {
            if !(is_error && NOT_FOR_ERRORS.contains(name)) {
                set(headers, name, value, false);
            }
        }
    }
}

/// `Vary` only ever grows: what the answer itself depends on may not be overridden.
fn set(headers: &mut HeaderMap, name: &HeaderName, value: &HeaderValue, override_existing: bool) {
    if *name == VARY && headers.contains_key(VARY) {
        let named = value.to_str().unwrap_or_default().split(',');
        for name in named.filter_map(|name| HeaderName::try_from(name.trim()).ok()) {
            vary_on(headers, &name);
        }
    } else if override_existing || !headers.contains_key(name) {
        headers.insert(name.clone(), value.clone());
    }
}

/// Whether no configuration may set a header, since it follows from the answer.
pub(crate) fn is_reserved(name: &str) -> bool {
    HeaderName::try_from(name).is_ok_and(|name| RESERVED.contains(&name))
}

fn read(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let header = HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a header name"))?;
    if is_reserved(name) {
        return Err(format!("`{name}` follows from the answer and cannot be configured"));
    }
    let value = HeaderValue::try_from(value).map_err(|_| format!("the value of `{name}` is not a header value"))?;
    Ok((header, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(status_codes: &[u16], override_existing: bool, values: &[(&str, &str)]) -> HeaderRule {
        HeaderRule { status_codes: status_codes.to_vec(), override_existing, values: pairs(values) }
    }

    fn pairs(values: &[(&str, &str)]) -> Vec<(String, String)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn applied(rules: &[HeaderRule], status: u16, present: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in present {
            headers.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        HeaderRules::new(rules).unwrap().apply(StatusCode::from_u16(status).unwrap(), &mut headers);
        headers
    }

    #[test]
    fn all_rules_of_a_status_apply_in_order() {
        let rules = [
            rule(&[200, 404], false, &[("X-One", "1"), ("X-Both", "first")]),
            rule(&[500], true, &[("X-Never", "1")]),
            rule(&[404], true, &[("x-two", "2"), ("x-both", "second")]),
        ];
        let headers = applied(&rules, 404, &[]);
        assert_eq!(headers.get("x-one").unwrap(), "1");
        assert_eq!(headers.get("x-two").unwrap(), "2");
        assert_eq!(headers.get("x-both").unwrap(), "second");
        assert!(!headers.contains_key("x-never"));
    }

    #[test]
    fn a_present_header_stays_unless_overridden_whatever_the_case() {
        let present = [("cache-control", "max-age=1")];
        let keep = applied(&[rule(&[200], false, &[("cache-control", "max-age=2")])], 200, &present);
        assert_eq!(keep.get(CACHE_CONTROL).unwrap(), "max-age=1");
        let replace = applied(&[rule(&[200], true, &[("Cache-Control", "max-age=2")])], 200, &present);
        assert_eq!(replace.get(CACHE_CONTROL).unwrap(), "max-age=2");
    }

    #[test]
    fn a_rule_for_200_tells_caches_the_same_with_206_and_304() {
        let rules = [rule(&[200], false, &[("cache-control", "max-age=9"), ("x-other", "1")])];
        for status in [206, 304] {
            let headers = applied(&rules, status, &[]);
            assert_eq!(headers.get(CACHE_CONTROL).unwrap(), "max-age=9");
            assert!(!headers.contains_key("x-other"));
        }
    }

    #[test]
    fn a_server_error_is_not_stored_unless_a_rule_says_so() {
        assert_eq!(applied(&[], 503, &[]).get(CACHE_CONTROL).unwrap(), "no-store");
        assert!(!applied(&[], 404, &[]).contains_key(CACHE_CONTROL));
        let rules = [rule(&[503], false, &[("cache-control", "max-age=1")])];
        assert_eq!(applied(&rules, 503, &[]).get(CACHE_CONTROL).unwrap(), "max-age=1");
    }

    #[test]
    fn vary_is_joined_and_never_overridden() {
        let rules = [rule(&[200], true, &[("Vary", "Accept, Origin")])];
        assert_eq!(applied(&rules, 200, &[("vary", "origin")]).get(VARY).unwrap(), "origin, accept");
    }

    #[test]
    fn defaults_of_a_bucket_are_set_where_absent_and_keep_errors_uncached() {
        let defaults = DefaultHeaders::new(&pairs(&[("Cache-Control", "max-age=9"), ("x-bucket", "b")])).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        defaults.apply(StatusCode::OK, &mut headers);
        assert_eq!(headers.get(CACHE_CONTROL).unwrap(), "private");
        assert_eq!(headers.get("x-bucket").unwrap(), "b");

        let mut headers = HeaderMap::new();
        defaults.apply(StatusCode::NOT_FOUND, &mut headers);
        assert!(!headers.contains_key(CACHE_CONTROL));
        assert_eq!(headers.get("x-bucket").unwrap(), "b");
    }

    #[test]
    fn what_is_no_header_is_refused_by_name() {
        for (name, value) in [("bad name", "x"), ("x-ok", "line\nbreak"), ("Content-Length", "1")] {
            let message = DefaultHeaders::new(&pairs(&[(name, value)])).unwrap_err();
            assert!(message.contains(name), "{message}");
        }
        assert!(HeaderRules::new(&[rule(&[99], false, &[])]).is_err());
    }
}

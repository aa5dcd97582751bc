use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderMap, HeaderName,
    HeaderValue, ORIGIN,
};
use actix_web::http::{Method, StatusCode};

use crate::error::ALLOWED_METHODS;
use crate::respond::vary_on;

/// Who may read answers from a page of another origin, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsSettings {
    /// Origins such as `https://example.org`, or `*` alone for all. None at all switches CORS off.
    pub allow_origins: Vec<String>,
    /// Methods that a page may use.
    pub allow_methods: Vec<String>,
    /// Request headers that a page may send.
    pub allow_headers: Vec<String>,
    /// Response headers that a page may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember the answer to a preflight.
    pub max_age: Duration,
}

/// The same, ready to apply.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    methods: HeaderValue,
    headers: HeaderValue,
    expose: HeaderValue,
    max_age: HeaderValue,
}

#[derive(Clone, Debug)]
enum Origins {
    Any,
    Listed(Vec<HeaderValue>),
}

impl Default for CorsSettings {
    /// Everybody may read pictures and their sizes.
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            allow_origins: owned(&["*"]),
            allow_methods: owned(&["GET", "HEAD", "OPTIONS"]),
            allow_headers: owned(&[
                "content-type",
                "if-match",
                "if-modified-since",
                "if-none-match",
                "if-range",
                "if-unmodified-since",
                "range",
                "x-request-id",
            ]),
            expose_headers: owned(&[
                "accept-ranges",
                "content-length",
                "content-range",
                "content-type",
                "etag",
                "last-modified",
                "x-amz-meta-public-height",
                "x-amz-meta-public-width",
                "x-request-id",
            ]),
            max_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Cors {
    /// Reads the settings.
    ///
    /// # Errors
    /// A text that names the origin, method or header name that is not one.
    pub fn new(settings: &CorsSettings) -> Result<Self, String> {
        for method in &settings.allow_methods {
            Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is not a method"))?;
        }
        for name in settings.allow_headers.iter().chain(&settings.expose_headers) {
            HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header name"))?;
        }
        let joined = |names: &[String]| {
            HeaderValue::try_from(names.join(", ")).map_err(|_| "a list of names is not a header value".to_owned())
        };
        Ok(Self {
            origins: Origins::read(&settings.allow_origins)?,
            methods: joined(&settings.allow_methods)?,
            headers: joined(&settings.allow_headers)?,
            expose: joined(&settings.expose_headers)?,
            max_age: HeaderValue::from(settings.max_age.as_secs()),
        })
    }

    /// Adds to an answer what lets a page of another origin read it.
    pub(crate) fn apply(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.allow_origin(origin, headers) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone());
        }
    }

    /// Answers OPTIONS: 204 with what is allowed; for a preflight of an allowed origin also in the terms of CORS.
    pub(crate) fn answer_options(&self, request: &HeaderMap) -> HttpResponse {
        let mut response = HttpResponse::new(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
        let is_preflight = request.contains_key(ORIGIN) && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if is_preflight && self.allow_origin(request.get(ORIGIN), headers) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        response
    }

    /// Whether the origin is allowed. Where that depends on the origin, caches are told so, whatever the outcome.
    fn allow_origin(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        let allowed = match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(listed) if listed.is_empty() => None,
            Origins::Listed(listed) => {
                vary_on(headers, &ORIGIN);
                origin.and_then(|origin| listed.iter().find(|one| *one == origin)).cloned()
            }
        };
        let Some(allowed) = allowed else { return false };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        true
    }
}

impl Origins {
    fn read(texts: &[String]) -> Result<Self, String> {
        if let [only] = texts
            && only == "*"
        {
            return Ok(Self::Any);
        }
        let read = |text: &String| {
            let is_origin = text.split_once("://").is_some_and(|(scheme, host)| {
                !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '*', ' '])
            });
            let value = HeaderValue::try_from(text.as_str()).ok().filter(|_| is_origin);
            value.ok_or_else(|| format!("`{text}` is not an origin such as https://example.org"))
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self::Listed)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::VARY;

    use super::*;

    fn cors(origins: &[&str]) -> Result<Cors, String> {
        let allow_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Cors::new(&CorsSettings { allow_origins, ..CorsSettings::default() })
    }

    fn applied(cors: &Cors, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        cors.apply(origin.map(HeaderValue::from_static).as_ref(), &mut headers);
        headers
    }

    fn preflight(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("GET"));
        headers
    }

    #[test]
    fn by_default_everybody_may_read_and_caches_need_not_care() {
        let headers = applied(&Cors::new(&CorsSettings::default()).unwrap(), None);
        assert_eq!(headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        let exposed = headers.get(ACCESS_CONTROL_EXPOSE_HEADERS).unwrap().to_str().unwrap();
        assert!(exposed.contains("etag") && exposed.contains("x-amz-meta-public-width"));
        assert!(!headers.contains_key(VARY));
    }

    #[test]
    fn a_listed_origin_is_echoed_and_told_in_vary() {
        let cors = cors(&["https://a.example", "http://b.example:8080"]).unwrap();
        let headers = applied(&cors, Some("http://b.example:8080"));
        assert_eq!(headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "http://b.example:8080");
        for origin in [Some("https://evil.example"), None] {
            let headers = applied(&cors, origin);
            assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
            assert_eq!(headers.get(VARY).unwrap(), "origin");
        }
    }

    #[test]
    fn no_origins_switch_cors_off() {
        assert!(applied(&cors(&[]).unwrap(), Some("https://a.example")).is_empty());
    }

    #[test]
    fn a_preflight_learns_methods_and_headers_and_a_plain_options_only_allow() {
        let cors = cors(&["https://a.example"]).unwrap();
        let response = cors.answer_options(&preflight("https://a.example"));
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers().get(ACCESS_CONTROL_ALLOW_METHODS).unwrap(), "GET, HEAD, OPTIONS");
        assert_eq!(response.headers().get(ACCESS_CONTROL_MAX_AGE).unwrap(), "86400");

        for request in [HeaderMap::new(), preflight("https://evil.example")] {
            let response = cors.answer_options(&request);
            assert_eq!(response.status(), StatusCode::NO_CONTENT);
            assert_eq!(response.headers().get(ALLOW).unwrap(), ALLOWED_METHODS);
            assert!(!response.headers().contains_key(ACCESS_CONTROL_ALLOW_METHODS));
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in ["example.org", "https://", "https://a.example/path", "https://*.example"] {
            assert!(cors(&[text]).unwrap_err().contains(text));
        }
        assert!(cors(&["*", "https://a.example"]).is_err());
    }
}

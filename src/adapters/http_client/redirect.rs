use hyper::header::LOCATION;
use hyper::{Response, StatusCode};
use mortar_actors::{Fault, FaultKind};
use url::Url;

/// Where an answer redirects to; `None` when it is no redirect.
///
/// # Errors
/// `Forbidden` for a target that is not HTTP, or not HTTPS although `from` is; `Upstream` for one that is no URL.
pub(super) fn target<B>(from: &Url, response: &Response<B>) -> Result<Option<Url>, Fault> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect) else {
        return Ok(None);
    };
    let target = std::str::from_utf8(location.as_bytes()).ok().and_then(|location| from.join(location).ok());
    let Some(target) = target else {
        return Err(Fault::new(FaultKind::Upstream, "the origin redirects to what is not a URL"));
    };
    match (from.scheme(), target.scheme()) {
        ("http", "http" | "https") | ("https", "https") => Ok(Some(target)),
        _ => Err(Fault::new(FaultKind::Forbidden, "the origin redirects to a URL that may not be followed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, status: u16, location: &str) -> Result<Option<String>, FaultKind> {
        let response = Response::builder().status(status).header(LOCATION, location).body(()).unwrap();
        let found = target(&from.parse().unwrap(), &response);
        found.map(|url| url.map(String::from)).map_err(|fault| fault.kind())
    }

    #[test]
    fn targets_are_resolved_against_the_url_that_redirects() {
        for status in [301, 302, 303, 307, 308] {
            let found = follow("http://a.example/x/y?q", status, "../z");
            assert_eq!(found, Ok(Some("http://a.example/z".to_owned())));
        }
        let other = follow("http://a.example/", 302, "//b.example/ü");
        assert_eq!(other, Ok(Some("http://b.example/%C3%BC".to_owned())));
    }

    #[test]
    fn only_redirects_redirect() {
        assert_eq!(follow("http://a.example/", 200, "/z"), Ok(None));
        assert_eq!(follow("http://a.example/", 304, "/z"), Ok(None));
    }

    #[test]
    fn leaving_http_or_tls_is_refused() {
        for location in ["http://a.example/", "file:///etc/passwd", "ftp://a.example/"] {
            assert!(follow("https://a.example/", 302, location).is_err(), "{location}");
        }
        assert_eq!(follow("https://a.example/", 302, "http://a.example/"), Err(FaultKind::Forbidden));
        assert_eq!(follow("http://a.example/", 302, "gopher://a.example/"), Err(FaultKind::Forbidden));
    }
}

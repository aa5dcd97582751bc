use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, VARY};

/// Tells caches that the answer depends on a request header, keeping what `Vary` already says.
pub fn vary_on(headers: &mut HeaderMap, name: &HeaderName) {
    let Some(present) = headers.get(VARY).and_then(|value| value.to_str().ok()) else {
        headers.insert(VARY, HeaderValue::from_name(name.clone()));
        return;
    };
    let told = present.split(',').map(str::trim).any(|one| one == "*" || one.eq_ignore_ascii_case(name.as_str()));
    if told {
        return;
    }
    if let Ok(joined) = HeaderValue::try_from(format!("{present}, {name}")) {
        headers.insert(VARY, joined);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{ACCEPT, ORIGIN};

    use super::*;

    #[test]
    fn names_are_joined_once_each() {
        let mut headers = HeaderMap::new();
        vary_on(&mut headers, &ORIGIN);
        vary_on(&mut headers, &ACCEPT);
        vary_on(&mut headers, &ORIGIN);
        assert_eq!(headers.get(VARY).unwrap(), "origin, accept");
    }

    #[test]
    fn a_star_already_says_everything() {
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static("*"));
        vary_on(&mut headers, &ORIGIN);
        assert_eq!(headers.get(VARY).unwrap(), "*");
    }
}

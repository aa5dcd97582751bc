//! Headers of an answer that a signed request chooses itself, by parameters such as `response-content-type`.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::claim::parameter;

const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", actix_web::http::header::CACHE_CONTROL),
    ("response-content-disposition", actix_web::http::header::CONTENT_DISPOSITION),
    ("response-content-encoding", actix_web::http::header::CONTENT_ENCODING),
    ("response-content-language", actix_web::http::header::CONTENT_LANGUAGE),
    ("response-content-type", actix_web::http::header::CONTENT_TYPE),
    ("response-expires", actix_web::http::header::EXPIRES),
];

/// Replaces headers of a good answer. Values that cannot stand in a header are left out.
pub(super) fn apply(request: &HttpRequest, response: &mut HttpResponse) {
    if !response.status().is_success() {
        return;
    }
    for (name, header) in OVERRIDES {
        let value = parameter(request.query_string(), name).and_then(|value| HeaderValue::try_from(&*value).ok());
        if let Some(value) = value {
            response.headers_mut().insert(header, value);
        }
    }
}

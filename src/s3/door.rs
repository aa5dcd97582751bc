//! Which requests of the traffic listener are the S3 interface's.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;

use super::claim::parameter;
use super::guard::names_object;
use super::legacy::Presigned;

/// Whether a request speaks S3: it changes something, is signed, or asks for a bucket or the list of them. Reads of
/// objects without a signature are ordinary HTTP.
pub(crate) fn is_for_s3(request: &HttpRequest) -> bool {
    match *request.method() {
        Method::PUT | Method::POST | Method::DELETE => true,
        Method::GET | Method::HEAD => is_signed(request) || !names_object(request.path()),
        _ => false,
    }
}

fn is_signed(request: &HttpRequest) -> bool {
    let header = request.headers().get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS"));
    let query = request.query_string();
    let has = |name| parameter(query, name).is_some();
    header || has("X-Amz-Signature") || has("X-Amz-Credential") || Presigned::of(query).is_some()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn changes_signed_reads_and_buckets_are_for_s3_and_other_reads_are_not() {
        for (method, uri, header, expected) in [
            (Method::PUT, "/b/k", "", true),
            (Method::DELETE, "/b/k", "", true),
            (Method::POST, "/b?delete", "", true),
            (Method::GET, "/", "", true),
            (Method::HEAD, "/b", "", true),
            (Method::GET, "/b/?list-type=2", "", true),
            (Method::GET, "/b/k", "AWS4-HMAC-SHA256 Credential=", true),
            (Method::GET, "/b/k", "AWS id:signature", true),
            (Method::GET, "/b/k?X-Amz-Signature=s", "", true),
            (Method::GET, "/b/k?AWSAccessKeyId=id&Signature=s", "", true),
            (Method::GET, "/b/k?Signature=s&Key-Pair-Id=k", "", false),
            (Method::GET, "/b/k", "", false),
            (Method::GET, "/b/k", "Bearer token", false),
            (Method::HEAD, "/b/k?width=5", "", false),
            (Method::PATCH, "/b/k", "", false),
        ] {
            let request = TestRequest::with_uri(uri).method(method.clone()).insert_header((AUTHORIZATION, header));
            assert_eq!(is_for_s3(&request.to_http_request()), expected, "{method} {uri} {header}");
        }
    }
}

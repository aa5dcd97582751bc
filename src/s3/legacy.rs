//! Signatures of version 2, for old clients.
//!
//! The library verifies them as well, but compares them byte by byte until the first difference, and takes a signed header
//! whenever it comes. So they are verified here first, in constant time and within the window that version 4 has.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap};
use hyper::{Method, Uri};
use s3s::auth::S3Auth;
use s3s::{S3Result, s3_error};
use sha1::Sha1;

use super::claim::parameter;
use super::keyring::Keyring;

/// How far the clocks of client and server may be apart.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Parameters of the query that are signed, in their order.
const SIGNED: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// A signature in the query of a presigned URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Presigned<'q> {
    access_key: Cow<'q, str>,
    signature: Cow<'q, str>,
}

impl<'q> Presigned<'q> {
    /// The signature in a query. A `Signature` without a key is none: it is what content delivery networks add to their
    /// links.
    pub(super) fn of(query: &'q str) -> Option<Self> {
        let (access_key, signature) = (parameter(query, "AWSAccessKeyId")?, parameter(query, "Signature")?);
        Some(Self { access_key, signature })
    }
}

/// Whether a request has a signature of version 2, which [`verify`] judges.
pub(super) fn is_used(uri: &Uri, headers: &HeaderMap) -> bool {
    let in_header = headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS "));
    in_header || Presigned::of(uri.query().unwrap_or_default()).is_some()
}

/// Verifies the signature of a request, if it has one of version 2.
///
/// # Errors
/// `InvalidAccessKeyId`, `SignatureDoesNotMatch`, `RequestTimeTooSkewed`, `AccessDenied` for a request without a date.
/// That a presigned request has expired is found later.
pub(super) async fn verify(keyring: &Keyring, method: &Method, uri: &Uri, headers: &HeaderMap) -> S3Result<()> {
    let query = uri.query().unwrap_or_default();
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (access_key, signature, moment) = if let Some(Presigned { access_key, signature }) = Presigned::of(query) {
        let expires = parameter(query, "Expires").unwrap_or_default();
        (access_key.into_owned(), signature.into_owned(), expires.into_owned())
    } else if let Some((access_key, signature)) = header.and_then(|text| text.strip_prefix("AWS ")?.split_once(':')) {
        (access_key.to_owned(), signature.to_owned(), signed_date(headers)?)
    } else {
        return Ok(());
    };
    let secret = keyring.get_secret_key(&access_key).await?;
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text_to_sign(method, uri, headers, &moment).as_bytes());
    let claimed = base64_simd::STANDARD.decode_to_vec(signature.trim()).unwrap_or_default();
    mac.verify_slice(&claimed).map_err(|_| s3_error!(SignatureDoesNotMatch))
}

/// The line of the date in the text that is signed, once it is known to lie in the window.
fn signed_date(headers: &HeaderMap) -> S3Result<String> {
    let own = headers.get("x-amz-date");
    let date = own.or_else(|| headers.get(DATE)).and_then(|value| value.to_str().ok());
    let date = date.ok_or_else(|| s3_error!(AccessDenied, "a signed request needs a date"))?;
    let signed_at = httpdate::parse_http_date(&date.replace("+0000", "GMT"));
    let signed_at = signed_at.map_err(|_| s3_error!(AccessDenied, "the date of the request cannot be understood"))?;
    let now = SystemTime::now();
    let apart = now.duration_since(signed_at).or_else(|_| signed_at.duration_since(now)).unwrap_or_default();
    if apart > WINDOW {
        return Err(s3_error!(RequestTimeTooSkewed));
    }
    Ok(if own.is_some() { String::new() } else { date.to_owned() })
}

fn text_to_sign(method: &Method, uri: &Uri, headers: &HeaderMap, moment: &str) -> String {
    let text = |value: Option<&hyper::header::HeaderValue>| {
        String::from_utf8_lossy(value.map(|value| value.as_bytes()).unwrap_or_default()).into_owned()
    };
    let (md5, media_type) = (text(headers.get("content-md5")), text(headers.get(CONTENT_TYPE)));
    let mut to_sign = format!("{method}\n{md5}\n{media_type}\n{moment}\n");
    let mut names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
    names.retain(|name| name.starts_with("x-amz-"));
    names.sort_unstable();
    for name in names {
        let values: Vec<String> =
            headers.get_all(name).iter().map(|value| text(Some(value)).trim().to_owned()).collect();
        // Writing to a text cannot fail.
        let _ = writeln!(to_sign, "{name}:{}", values.join(","));
    }
    to_sign.push_str(uri.path());
    let query = uri.query().unwrap_or_default();
    let signed = SIGNED.iter().filter_map(|name| Some((name, parameter(query, name)?)));
    for (separator, (name, value)) in std::iter::once('?').chain(std::iter::repeat('&')).zip(signed) {
        let equals = if value.is_empty() { "" } else { "=" };
        let _ = write!(to_sign, "{separator}{name}{equals}{value}");
    }
    to_sign
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use hyper::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::config::parse;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    /// The examples of the documentation of Amazon S3, "Signing and authenticating REST requests (version 2)".
    #[test]
    fn the_published_examples_are_made_into_the_same_texts() {
        let date = ("date", "Tue, 27 Mar 2007 21:15:45 +0000");
        let put = headers(&[("content-type", "image/jpeg"), ("content-length", "94328"), date]);
        assert_eq!(
            text_to_sign(&Method::PUT, &Uri::from_static("/b/photos/puppy.jpg"), &put, date.1),
            "PUT\n\nimage/jpeg\nTue, 27 Mar 2007 21:15:45 +0000\n/b/photos/puppy.jpg"
        );
        let list = Uri::from_static("/b/?prefix=photos&max-keys=50&acl");
        let amz = headers(&[("x-amz-meta-b", " two "), ("x-amz-date", "now")]);
        assert_eq!(text_to_sign(&Method::GET, &list, &amz, ""), "GET\n\n\n\nx-amz-date:now\nx-amz-meta-b:two\n/b/?acl");
    }

    fn keyring() -> Keyring {
        let text = "[s3_api]\naccess_key = \"id\"\nsecret_access_key = \"secret\"\n[buckets.b.storages.basic]\nkind = \"noop\"";
        let config = parse(text, &HashMap::new()).unwrap();
        Keyring::new(&config.s3_api, &config.buckets)
    }

    async fn code_of(header: &str, date: SystemTime) -> Option<String> {
        let date = httpdate::fmt_http_date(date);
        let headers = headers(&[("authorization", header), ("date", &date)]);
        let verified = verify(&keyring(), &Method::GET, &Uri::from_static("/b/k"), &headers).await;
        verified.err().map(|error| error.code().as_str().to_owned())
    }

    #[tokio::test]
    async fn a_right_signature_passes_and_a_wrong_or_late_one_does_not() {
        let now = SystemTime::now();
        let text = format!("GET\n\n\n{}\n/b/k", httpdate::fmt_http_date(now));
        let mut mac = Hmac::<Sha1>::new_from_slice(b"secret").unwrap();
        mac.update(text.as_bytes());
        let right = base64_simd::STANDARD.encode_to_string(mac.finalize().into_bytes());
        assert_eq!(code_of(&format!("AWS id:{right}"), now).await, None);
        assert_eq!(code_of("AWS id:AAAA", now).await.as_deref(), Some("SignatureDoesNotMatch"));
        assert_eq!(code_of("AWS other:AAAA", now).await.as_deref(), Some("InvalidAccessKeyId"));
        for long_ago in [now - WINDOW * 2, now + WINDOW * 2] {
            let late = code_of(&format!("AWS id:{right}"), long_ago).await;
            assert_eq!(late.as_deref(), Some("RequestTimeTooSkewed"));
        }
    }

    #[test]
    fn a_query_is_signed_by_a_key_and_a_signature_and_by_neither_alone() {
        let (access_key, signature) = ("id".into(), "a+b=".into());
        let signed = Presigned { access_key, signature };
        assert_eq!(Presigned::of("width=5&Signature=a%2Bb%3D&AWSAccessKeyId=id"), Some(signed));
        for query in
            ["", "Signature=s", "AWSAccessKeyId=id", "Signature=s&Key-Pair-Id=k", "signature=s&awsaccesskeyid=i"]
        {
            assert_eq!(Presigned::of(query), None, "{query}");
        }
        let is_used = |uri, header| is_used(&Uri::from_static(uri), &headers(&[("authorization", header)]));
        assert!(is_used("/b/k?AWSAccessKeyId=id&Signature=s", "") && is_used("/b/k", "AWS id:s"));
        assert!(!is_used("/b/k?Signature=s", "AWS4-HMAC-SHA256 x"));
    }

    #[test]
    fn signed_parameters_stand_in_their_order() {
        assert!(SIGNED.is_sorted());
    }
}

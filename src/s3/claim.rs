//! What a request says of its signature of version 4. Whether it is true is for the verifier to find out.

use std::borrow::Cow;

use hyper::Uri;
use hyper::header::{AUTHORIZATION, HeaderMap};
use percent_encoding::percent_decode_str;

/// A signature and its circumstances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The day that the signing key is for, as `20130524`.
    pub(super) date: String,
    /// The region that it is for.
    pub(super) region: String,
    /// The service that it is for.
    pub(super) service: String,
    /// Headers that are covered, in lower case.
    pub(super) signed_headers: Vec<String>,
    /// The signature, in hexadecimal digits.
    pub(super) signature: String,
}

impl Claim {
    /// The claim in the query of a presigned URL, or else in the header `Authorization`.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        Self::in_query(uri.query().unwrap_or_default()).or_else(|| Self::in_header(headers))
    }

    fn in_header(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let fields = text.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| {
            let fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
            fields.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value.trim())
        };
        Self::from_fields(field("Credential")?, field("SignedHeaders")?, field("Signature")?)
    }

    fn in_query(query: &str) -> Option<Self> {
        let credential = parameter(query, "X-Amz-Credential")?;
        let signed_headers = parameter(query, "X-Amz-SignedHeaders")?;
        let signature = parameter(query, "X-Amz-Signature")?;
        Self::from_fields(&credential, &signed_headers, &signature)
    }

    /// A credential is `ACCESS_KEY/DATE/REGION/SERVICE/aws4_request`; the access key itself may have slashes.
    fn from_fields(credential: &str, signed_headers: &str, signature: &str) -> Option<Self> {
        let mut parts = credential.rsplitn(5, '/');
        let (_, service, region, date) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        parts.next()?;
        Some(Self {
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            // As they are written: the library finds headers by their names in lower case, and does not sign others.
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature: signature.to_owned(),
        })
    }

    /// Whether a header is covered by the signature.
    pub(super) fn covers(&self, header: &str) -> bool {
        self.signed_headers.iter().any(|signed| signed == header)
    }
}

/// The decoded value of a parameter of a query.
pub(super) fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(found, _)| percent_decode_str(found).eq(name.bytes()))?;
    percent_decode_str(value).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Claim {
        Claim {
            date: "20130524".to_owned(),
            region: "mort".to_owned(),
            service: "s3".to_owned(),
            signed_headers: vec!["host".to_owned(), "x-amz-date".to_owned()],
            signature: "abc".to_owned(),
        }
    }

    fn in_header(text: &str) -> Option<Claim> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())]);
        Claim::of(&Uri::from_static("/b/k?width=5"), &headers)
    }

    #[test]
    fn a_header_is_read_with_and_without_spaces() {
        for space in ["", " "] {
            let text = format!(
                "AWS4-HMAC-SHA256 Credential=a/key/20130524/mort/s3/aws4_request,{space}\
                 SignedHeaders=host;x-amz-date,{space}Signature=abc"
            );
            assert_eq!(in_header(&text), Some(expected()));
        }
    }

    #[test]
    fn a_presigned_query_is_read() {
        let uri = Uri::from_static(
            "/b/k?X-Amz-Credential=a%2Fkey%2F20130524%2Fmort%2Fs3%2Faws4_request\
             &X-Amz-SignedHeaders=host%3Bx-amz-date&X-Amz-Signature=abc",
        );
        assert_eq!(Claim::of(&uri, &HeaderMap::new()), Some(expected()));
    }

    #[test]
    fn what_is_no_claim_is_none() {
        for text in ["AWS key:signature", "AWS4-HMAC-SHA256", "Bearer x", "AWS4-HMAC-SHA256 Credential=a/b,Signature=c"]
        {
            assert_eq!(in_header(text), None, "{text}");
        }
    }
}

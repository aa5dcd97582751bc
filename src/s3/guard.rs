//! Who may do what. Signatures have been verified before; here it is judged what they are good for.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use hyper::header::HeaderMap;
use hyper::http::Extensions;
use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::Credentials;
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result, s3_error};

use super::claim::{Claim, parameter};
use super::keyring::{Keyring, Right};
use super::legacy;
use crate::domain::Buckets;

/// What may be asked about the objects of a bucket that anybody may list.
const OF_A_PUBLIC_LISTING: [&str; 4] = ["GetBucketLocation", "HeadBucket", "ListObjects", "ListObjectsV2"];

/// Parameters by which a GET asks for something else than the object.
const SUBRESOURCES: [&str; 7] = ["acl", "attributes", "legal-hold", "retention", "tagging", "torrent", "uploadId"];

/// Judges each request once, before anything is done for it.
#[derive(Clone)]
pub(super) struct Guard {
    /// All access keys.
    pub(super) keyring: Keyring,
    /// The buckets that there are.
    pub(super) routes: Arc<Buckets>,
    /// Buckets that anybody may list.
    pub(super) public_listings: Arc<BTreeSet<String>>,
    /// Regions that may be signed for.
    pub(super) regions: Arc<[String]>,
}

/// Says, in place of an answer, that a request for an object is signed by somebody who may read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct MayRead;

impl Guard {
    /// Whether a signed request may use a bucket in this way.
    ///
    /// # Errors
    /// `AccessDenied` without a key of the bucket, and what is wrong with the signature's circumstances.
    fn judge_signed(
        &self,
        credentials: Option<&Credentials>,
        uri: &Uri,
        headers: &HeaderMap,
        bucket: Option<&str>,
        needed: Right,
    ) -> S3Result<()> {
        let Some(credentials) = credentials else { return Err(s3_error!(AccessDenied, "a signature is needed")) };
        match Claim::of(uri, headers) {
            Some(claim) => self.judge_claim(&claim, uri, headers)?,
            None if legacy::is_used(uri, headers) => {}
            // The library takes any word for the name of the algorithm.
            None => return Err(s3_error!(AccessDenied, "the signature is of an unknown kind")),
        }
        let Some(bucket) = bucket else { return Ok(()) };
        self.may(&credentials.access_key, bucket, needed)
    }

    /// Whether the holder of a key may use a bucket in this way.
    ///
    /// # Errors
    /// `AccessDenied`, also for a bucket that there is not: who has no key for it need not know.
    pub(super) fn may(&self, access_key: &str, bucket: &str, needed: Right) -> S3Result<()> {
        match self.keyring.right(access_key, bucket) {
            None => Err(s3_error!(AccessDenied, "this access key is not one of the bucket")),
            Some(Right::Read) if needed == Right::Write => {
                Err(s3_error!(AccessDenied, "this access key may only read"))
            }
            Some(_) if self.routes.get(bucket).is_none() => Err(s3_error!(NoSuchBucket)),
            Some(_) => Ok(()),
        }
    }

    fn judge_claim(&self, claim: &Claim, uri: &Uri, headers: &HeaderMap) -> S3Result<()> {
        if claim.service != "s3" || !self.regions.contains(&claim.region) {
            let expected = &self.regions[0];
            return Err(s3_error!(
                AuthorizationHeaderMalformed,
                "The authorization header is malformed; the region '{}' is wrong; expecting '{expected}'",
                claim.region
            ));
        }
        // Whoever sees a signed request could otherwise send it with other metadata, or to another host.
        let presigned = parameter(uri.query().unwrap_or_default(), "X-Amz-Signature").is_some();
        let unsigned = headers.keys().map(|name| name.as_str()).find(|name| {
            let needs = *name == "host" || name.starts_with("x-amz-");
            // The text that is signed has this one's value in another place; in that of a presigned URL it is not known.
            needs && !claim.covers(name) && !(presigned && *name == "x-amz-content-sha256")
        });
        match unsigned {
            Some(name) => Err(s3_error!(AccessDenied, "the header {name} is not covered by the signature")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl S3Access for Guard {
    async fn check(&self, asked: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = asked.s3_op().name();
        let bucket = asked.s3_path().get_bucket_name();
        let listed = bucket.is_some_and(|bucket| self.public_listings.contains(bucket));
        if asked.credentials().is_none() && listed && OF_A_PUBLIC_LISTING.contains(&operation) {
            return Ok(());
        }
        let reads = ["Get", "Head", "List"].iter().any(|verb| operation.starts_with(verb));
        let needed = if reads { Right::Read } else { Right::Write };
        self.judge_signed(asked.credentials(), asked.uri(), asked.headers(), bucket, needed)
    }
}

/// Reads of objects leave the library here, once the signature is known to be right: anonymous and signed reads get their
/// answers from the same place.
#[async_trait]
impl S3Route for Guard {
    fn is_match(&self, method: &Method, uri: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let query = uri.query().unwrap_or_default();
        reads && names_object(uri.path()) && !SUBRESOURCES.iter().any(|name| parameter(query, name).is_some())
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        let bucket = request.uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
        let bucket = percent_decode_str(bucket).decode_utf8_lossy();
        let credentials = request.credentials.as_ref();
        self.judge_signed(credentials, &request.uri, &request.headers, Some(&bucket), Right::Read)
    }

    async fn call(&self, _: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let mut response = S3Response::new(Body::empty());
        response.extensions.insert(MayRead);
        Ok(response)
    }
}

/// Whether a path names an object, and not a bucket or all of them.
pub(super) fn names_object(path: &str) -> bool {
    path.strip_prefix('/').and_then(|path| path.split_once('/')).is_some_and(|(_, key)| !key.is_empty())
}

//! Buckets. They are made in the configuration; here they can be found.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::operations::Operations;

/// The region whose buckets have no location constraint.
const WITHOUT_CONSTRAINT: &str = "us-east-1";

impl Operations {
    /// The buckets that an access key opens.
    pub(super) fn all_buckets(&self, request: &S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let credentials = request.credentials.as_ref().ok_or_else(|| s3_error!(AccessDenied))?;
        let (keyring, access_key) = (&self.guard.keyring, &credentials.access_key);
        let names = self.guard.routes.iter().map(|bucket| bucket.name().to_string());
        let buckets = names.filter(|name| keyring.right(access_key, name).is_some()).map(|name| Bucket {
            name: Some(name),
            creation_date: Some(self.started.into()),
            ..Bucket::default()
        });
        let owner = Owner { display_name: Some(access_key.clone()), id: Some(access_key.clone()) };
        let (buckets, owner) = (Some(buckets.collect()), Some(owner));
        Ok(S3Response::new(ListBucketsOutput { buckets, owner, ..ListBucketsOutput::default() }))
    }

    pub(super) fn bucket_exists(&self, input: &HeadBucketInput) -> S3Result<S3Response<HeadBucketOutput>> {
        self.originals(&input.bucket)?;
        let bucket_region = Some(self.guard.regions[0].clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
    }

    pub(super) fn location(&self, input: &GetBucketLocationInput) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.originals(&input.bucket)?;
        let region = &self.guard.regions[0];
        let constraint = (region != WITHOUT_CONSTRAINT).then(|| BucketLocationConstraint::from(region.clone()));
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint: constraint }))
    }
}

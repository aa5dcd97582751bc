use std::time::Duration;

use super::AccessKey;

/// Mortar as an S3 server: section `[s3_api]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3ApiConfig {
    /// Regions that signatures may be made for; clients are told the first. Never empty.
    pub regions: Vec<String>,
    /// A pair that may read and write every bucket.
    pub key: Option<AccessKey>,
    /// The largest object, and the largest part of a multipart upload, in bytes.
    pub max_object_size: u64,
    /// How long one upload may take in all.
    pub upload_timeout: Duration,
    /// How long a client may pause in the middle of an upload.
    pub upload_idle_timeout: Duration,
    /// Bytes a second that a client has to send, averaged over the time it was waited for, once that is longer than
    /// `upload_idle_timeout`. Zero asks for none.
    pub upload_min_rate: u64,
    /// Multipart uploads that may be open at once in one bucket.
    pub multipart_uploads: usize,
    /// A multipart upload that is not completed within this time is removed.
    pub multipart_time_to_live: Duration,
    /// A multipart upload that was completed is remembered at least this long, to answer the same request again.
    pub multipart_completed_time_to_live: Duration,
}

use hyper::StatusCode;
use mortar_actors::{Fault, FaultKind};
use s3s::{S3Error, S3ErrorCode};

/// Why the body of an upload is not taken. The store hears a fault and keeps nothing; the client reads the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::s3) enum Refusal {
    /// It ended before its announced length, or before its last chunk.
    Incomplete,
    /// It has more bytes than announced.
    TooLong,
    /// The client paused, or took, for too long.
    TooSlow,
    /// The frames around its chunks cannot be understood.
    Malformed,
    /// A chunk, or the trailer, is not signed by the signer of the request.
    Signature,
    /// It is not what `x-amz-content-sha256` says.
    Sha256,
    /// It is not what `Content-MD5` or a checksum says.
    Digest,
    /// The checksum that was to follow it is missing.
    NoChecksum,
}

impl Refusal {
    /// What the client reads.
    pub(in crate::s3) fn to_error(self) -> S3Error {
        let mut error = S3Error::with_message(self.code(), self.message());
        // All of these are mistakes of the client, also those that the library has no status for.
        error.set_status_code(StatusCode::BAD_REQUEST);
        if self == Self::Signature {
            error.set_status_code(StatusCode::FORBIDDEN);
        }
        error
    }

    /// What the store hears. It is no fault of the store's.
    pub(in crate::s3) fn to_fault(self) -> Fault {
        Fault::new(FaultKind::Invalid, self.message())
    }

    fn code(self) -> S3ErrorCode {
        match self {
            Self::Incomplete => S3ErrorCode::IncompleteBody,
            Self::TooSlow => S3ErrorCode::RequestTimeout,
            Self::TooLong | Self::Malformed | Self::NoChecksum => S3ErrorCode::InvalidRequest,
            Self::Signature => S3ErrorCode::SignatureDoesNotMatch,
            Self::Sha256 => S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
            Self::Digest => S3ErrorCode::BadDigest,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Incomplete => "the body ended before it was complete",
            Self::TooLong => "the body is longer than announced",
            Self::TooSlow => "the body did not arrive in time",
            Self::Malformed => "the chunks of the body cannot be understood",
            Self::Signature => "a chunk of the body is not signed as the request is",
            Self::Sha256 => "the body does not have the announced SHA-256",
            Self::Digest => "the body does not have the announced checksum",
            Self::NoChecksum => "the announced checksum did not follow the body",
        }
    }
}

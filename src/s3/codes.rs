//! Faults as S3 tells them: the one table from kinds to codes.

use hyper::StatusCode;
use mortar_actors::{Fault, FaultKind, Side};
use s3s::{S3Error, S3ErrorCode};

/// The code that S3's clients know for a kind of fault.
pub(crate) fn code_of(kind: FaultKind) -> S3ErrorCode {
    match kind {
        FaultKind::NotFound => S3ErrorCode::NoSuchKey,
        FaultKind::Invalid => S3ErrorCode::InvalidRequest,
        FaultKind::Forbidden => S3ErrorCode::AccessDenied,
        FaultKind::PreconditionFailed => S3ErrorCode::PreconditionFailed,
        FaultKind::TooLarge => S3ErrorCode::EntityTooLarge,
        FaultKind::RangeNotSatisfiable { .. } => S3ErrorCode::InvalidRange,
        FaultKind::Unsupported => S3ErrorCode::MethodNotAllowed,
        FaultKind::Overloaded => S3ErrorCode::SlowDown,
        FaultKind::Restarting | FaultKind::Cancelled => S3ErrorCode::ServiceUnavailable,
        FaultKind::Unprocessable => S3ErrorCode::Custom("UnprocessableImage".into()),
        // Also for stores that fail: clients try again after it, and the status tells which it was.
        _ => S3ErrorCode::InternalError,
    }
}

/// A fault as an error of the protocol. What the client cannot mend is logged here, since the error goes no further.
pub(super) fn error_of(fault: &Fault) -> S3Error {
    let mut error = S3Error::with_message(code_of(fault.kind()), fault.message().to_owned());
    match fault.kind() {
        FaultKind::Upstream => error.set_status_code(StatusCode::BAD_GATEWAY),
        FaultKind::Unwritable => error.set_status_code(StatusCode::INSUFFICIENT_STORAGE),
        FaultKind::TimedOut => error.set_status_code(StatusCode::GATEWAY_TIMEOUT),
        _ => {}
    }
    if !matches!(fault.kind().side(), Side::Client) {
        tracing::warn!(error = fault as &dyn std::error::Error, "a request to the S3 interface failed");
    }
    error
}

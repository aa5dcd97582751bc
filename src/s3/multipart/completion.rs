//! Uploads that were completed of late. A client whose answer was lost asks again, and hears the same answer.

use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::CompletedPart;
use s3s::{S3Error, S3Result};
use serde::{Deserialize, Serialize};

use super::ledger::{Ledger, UploadId};
use crate::s3::upload::hex;

/// What is remembered of an upload: what was asked, and what was answered.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Completion {
    /// The object that it was made into.
    key: String,
    /// A hash over the parts that were named.
    parts: String,
    /// The validator that was told.
    etag: Option<String>,
}

impl Completion {
    /// Of a request that is not answered yet.
    pub(super) fn asked(key: &str, named: &[CompletedPart]) -> Self {
        let mut hasher = Md5::new();
        for part in named {
            let tag = part.e_tag.as_ref().map_or("", |tag| tag.value());
            hasher.update(format!("{} {tag}\n", part.part_number.unwrap_or_default()).as_bytes());
        }
        Self { key: key.to_owned(), parts: hex(&hasher.finalize()), etag: None }
    }

    /// The same with its answer.
    pub(super) fn answered(self, etag: Option<String>) -> Self {
        Self { etag, ..self }
    }

    /// The validator that was told.
    pub(super) fn into_etag(self) -> Option<String> {
        self.etag
    }

    /// What was answered to the same request before, and otherwise `error`, in which it ended now. Only mistakes of the
    /// client can come of an upload that is over: its parts are gone, or its object is there already.
    pub(super) async fn or_before(self, ledger: &Ledger, id: &UploadId, error: S3Error) -> S3Result<Self> {
        if !error.status_code().is_some_and(|status| status.is_client_error()) {
            return Err(error);
        }
        let before = ledger.completed(id).await?;
        before.filter(|before| (&before.key, &before.parts) == (&self.key, &self.parts)).ok_or(error)
    }
}

#[cfg(test)]
mod tests {
    use s3s::dto::ETag;

    use super::*;

    fn asked(key: &str, parts: &[(i32, &str)]) -> Completion {
        let part = |(number, tag): &(i32, &str)| CompletedPart {
            part_number: Some(*number),
            e_tag: Some(ETag::Strong((*tag).to_owned())),
            ..CompletedPart::default()
        };
        Completion::asked(key, &parts.iter().map(part).collect::<Vec<_>>())
    }

    #[test]
    fn a_request_is_told_from_all_others() {
        let one = asked("a", &[(1, "x"), (2, "y")]);
        assert_eq!(one, asked("a", &[(1, "x"), (2, "y")]));
        for other in [
            asked("b", &[(1, "x"), (2, "y")]),
            asked("a", &[(1, "x")]),
            asked("a", &[(1, "x"), (2, "z")]),
            asked("a", &[(1, "x"), (3, "y")]),
        ] {
            assert_ne!(one, other);
        }
    }
}

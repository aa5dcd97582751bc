use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request};
use mortar_actors::{Body, Fault, FaultKind};

use crate::adapters::http_client::{GuardedClient, chunks};

/// Largest answer that is read.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// How long one question may take: the places asked are near, or nobody is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question to a service that knows credentials.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) url: &'a str,
    pub(super) headers: &'a [(&'static str, &'a str)],
    pub(super) body: String,
}

impl Question<'_> {
    /// Asks, and reads the answer whole.
    ///
    /// # Errors
    /// `Upstream` for an answer that is no success, `TimedOut` for none.
    pub(super) async fn ask(self, client: &GuardedClient) -> Result<String, Fault> {
        let request = self.request()?;
        let asked = async {
            let answer = client.send(request).await?;
            let status = answer.status();
            let body = Body::Stream(chunks(answer.into_body(), MAX_ANSWER_BYTES, PATIENCE));
            let text = body.collect(MAX_ANSWER_BYTES).await?;
            if !status.is_success() {
                return Err(unusable().caused_by(format!("{status}")));
            }
            String::from_utf8(text.to_vec()).map_err(|error| unusable().caused_by(error))
        };
        let too_slow = || Fault::new(FaultKind::TimedOut, "a source of credentials did not answer in time");
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(too_slow()))
    }

    fn request(self) -> Result<Request<crate::adapters::http_client::RequestBody>, Fault> {
        let body = Full::new(Bytes::from(self.body)).map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.url)
            .body(body)
            .map_err(|error| unusable().caused_by(error))?;
        for (name, value) in self.headers {
            let mut value = HeaderValue::from_str(value.trim()).map_err(|error| unusable().caused_by(error))?;
            value.set_sensitive(true);
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        Ok(request)
    }
}

/// A source of credentials is configured and does not give any.
pub(super) fn unusable() -> Fault {
    Fault::new(FaultKind::Upstream, "a source of credentials cannot be used")
}

//! Objects behind any HTTP server, read only.

mod template;

use std::collections::BTreeMap;

use async_trait::async_trait;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use mortar_actors::storage::{ListPage, ListRequest, PutCondition, Store};
use mortar_actors::{Body, ByteRange, Fault, FaultKind, Fetched, ObjectKey, ObjectMeta};
use url::Url;

use self::template::UrlTemplate;
use super::http_client::{Ask, GuardedClient};
use crate::config::OriginConfig;

/// An HTTP origin. One GET tells size, type and body of an object.
///
/// A key goes into the URL percent-encoded, its slashes kept. A key with a `.` or `..` component does not exist, since
/// servers resolve those and would leave the place that the configuration names.
#[derive(Debug)]
pub struct HttpOrigin {
    client: GuardedClient,
    template: UrlTemplate,
    headers: HeaderMap,
    max_body_bytes: u64,
}

impl HttpOrigin {
    /// Builds the client of an origin; nothing is connected yet. `url` holds `<item>` and may hold `<container>`.
    ///
    /// # Errors
    /// `Internal` when `url` is not such a template, or `headers` cannot be sent.
    pub fn new(
        url: &str,
        container: &str,
        headers: &BTreeMap<String, String>,
        config: &OriginConfig,
    ) -> Result<Self, Fault> {
        Ok(Self {
            client: GuardedClient::new(config),
            template: UrlTemplate::new(url, container)?,
            headers: sendable(headers)?,
            max_body_bytes: config.max_body_bytes,
        })
    }

    fn ask(&self, method: Method, url: Url, range: Option<ByteRange>) -> Ask<'static> {
        // Where the operator's own origin redirects to is limited by address alone.
        Ask { method, url, headers: self.headers.clone(), range, allowed: &|_| true }
    }
}

#[async_trait]
impl Store for HttpOrigin {
    async fn fetch(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Fetched, Fault> {
        let ask = self.ask(Method::GET, self.template.url(key)?, range);
        self.client.fetch(ask, self.max_body_bytes).await
    }

    async fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, Fault> {
        let ask = self.ask(Method::HEAD, self.template.url(key)?, None);
        self.client.stat(ask, self.max_body_bytes).await
    }

    async fn put(
        &self,
        _key: &ObjectKey,
        _meta: ObjectMeta,
        _body: Body,
        _condition: &PutCondition,
    ) -> Result<ObjectMeta, Fault> {
        Err(read_only())
    }

    async fn delete(&self, _key: &ObjectKey) -> Result<(), Fault> {
        Err(read_only())
    }

    async fn list(&self, _request: &ListRequest) -> Result<ListPage, Fault> {
        Err(Fault::new(FaultKind::Unsupported, "an HTTP origin cannot tell what it holds"))
    }

    /// Well is an origin that answers at all: what it says of its own root does not matter.
    async fn check(&self) -> Result<(), Fault> {
        self.client.reach(self.ask(Method::HEAD, self.template.root(), None)).await
    }
}

fn sendable(headers: &BTreeMap<String, String>) -> Result<HeaderMap, Fault> {
    let unsendable = || Fault::new(FaultKind::Internal, "a header configured for the origin cannot be sent");
    let mut sendable = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| unsendable().caused_by(error))?;
        let mut value = HeaderValue::from_str(value).map_err(|error| unsendable().caused_by(error))?;
        value.set_sensitive(true);
        sendable.append(name, value);
    }
    Ok(sendable)
}

fn read_only() -> Fault {
    Fault::new(FaultKind::Unsupported, "an HTTP origin can only be read")
}

//! The HTTP client for origins that clients of this service may choose: it reaches only addresses that may be reached,
//! and every phase of an exchange has its limit.

mod address;
mod answer;
mod body;
mod connector;
mod gathering;
mod redirect;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, RANGE, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use mortar_actors::{Body, ByteRange, Deadline, Fault, FaultKind, Fetched, ObjectMeta};
use url::{Position, Url};

pub(super) use self::body::chunks;
use self::connector::GuardedConnector;
use crate::config::OriginConfig;

/// The body of a request: bytes, or a stream of them.
pub(super) type RequestBody = UnsyncBoxBody<Bytes, Fault>;

/// An idle connection is closed after this time, before most servers close it themselves.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// Bytes buffered per connection at most: the limit for an answer's headers and for one chunk of its body. A body whose
/// reader stands still keeps three of them: what is being sent, what comes next, and what the connection has read.
///
/// Each chunk wakes the threads at both ends, which with 64 KiB takes longer than moving its bytes: an object of 100 MB from
/// a fast store took twice as long as without this service between, and takes a quarter longer with 256 KiB.
const CONNECTION_BUFFER_BYTES: usize = 256 * 1024;

/// What this service calls itself.
pub(super) const AGENT: &str = concat!("mortar/", env!("CARGO_PKG_VERSION"));

/// A pooled HTTP/1.1 client whose every connection, also after a redirect, goes to an address that has been checked.
///
/// Dropping an answer's body closes its connection instead of reading the rest; dropping the client closes the idle
/// ones.
#[derive(Clone, Debug)]
pub struct GuardedClient {
    client: Client<GuardedConnector, RequestBody>,
    first_byte_timeout: Duration,
    idle_body_timeout: Duration,
    max_redirects: u32,
}

/// What is asked of an origin, and who may be asked.
pub(super) struct Ask<'a> {
    /// GET or HEAD.
    pub(super) method: Method,
    /// Where; `http` or `https`.
    pub(super) url: Url,
    /// Headers for that origin. They are not sent to another one that it redirects to.
    pub(super) headers: HeaderMap,
    /// The part that is asked for.
    pub(super) range: Option<ByteRange>,
    /// Says of the first URL, and of every one redirected to, whether it may be asked.
    pub(super) allowed: &'a (dyn Fn(&Url) -> bool + Send + Sync),
}

impl GuardedClient {
    /// A client with its own connections. Nothing is connected yet.
    pub fn new(config: &OriginConfig) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(config.idle_connections_per_host)
            .http1_max_buf_size(CONNECTION_BUFFER_BYTES)
            .build(GuardedConnector::new(config));
        Self {
            client,
            first_byte_timeout: config.first_byte_timeout,
            idle_body_timeout: config.idle_body_timeout,
            max_redirects: config.max_redirects,
        }
    }

    /// Fetches a whole object from any URL for which `allowed` holds; so must it for every URL redirected to.
    ///
    /// # Errors
    /// `Forbidden` for a URL that is not allowed, is not HTTP or leads to an address that may not be reached;
    /// `TooLarge` above `limit` bytes, as soon as they are announced or read; `NotFound`, `Upstream`, `TimedOut`.
    pub async fn fetch_url(
        &self,
        url: &Url,
        limit: u64,
        deadline: Deadline,
        allowed: &(dyn Fn(&Url) -> bool + Send + Sync),
    ) -> Result<Fetched, Fault> {
        let ask = Ask { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), range: None, allowed };
        let fetch = async {
            let fetched = self.fetch(ask, limit).await?;
            let body = Body::Bytes(fetched.body.collect(limit).await?);
            Ok(Fetched { body, ..fetched })
        };
        tokio::time::timeout_at(deadline.instant(), fetch)
            .await
            .unwrap_or_else(|_| Err(Fault::new(FaultKind::TimedOut, "the origin did not answer before the deadline")))
    }

    /// Asks by one GET for an object of at most `limit` bytes, or a part of it.
    pub(super) async fn fetch(&self, ask: Ask<'_>, limit: u64) -> Result<Fetched, Fault> {
        let range = ask.range;
        let response = self.follow(ask).await?;
        answer::fetched(response, range, limit, self.idle_body_timeout)
    }

    /// Asks by one HEAD what a GET would tell.
    pub(super) async fn stat(&self, ask: Ask<'_>, limit: u64) -> Result<ObjectMeta, Fault> {
        answer::meta(&self.follow(ask).await?, limit)
    }

    /// Tells whether an origin answers, whatever it answers short of a failure of its own.
    pub(super) async fn reach(&self, ask: Ask<'_>) -> Result<(), Fault> {
        let status = self.send(request(&ask, &ask.url, ask.headers.clone())?).await?.status();
        if status.is_server_error() {
            return Err(Fault::new(FaultKind::Upstream, "the origin is not well"));
        }
        Ok(())
    }

    /// One exchange: sends a request and waits for the answer's headers, following no redirect.
    ///
    /// # Errors
    /// `Forbidden` when the host has no address that may be reached, `Upstream`, `TimedOut`.
    pub(super) async fn send(&self, request: Request<RequestBody>) -> Result<Response<Incoming>, Fault> {
        let limit = self.first_byte_timeout;
        self.exchange(request, async move { tokio::time::sleep(limit).await }).await
    }

    /// As [`GuardedClient::send`], but the answer has time until `patience` ends, which begins when there is a connection.
    pub(super) async fn exchange(
        &self,
        mut request: Request<RequestBody>,
        patience: impl Future<Output = ()>,
    ) -> Result<Response<Incoming>, Fault> {
        let mut connection = capture_connection(&mut request);
        let mut answer = std::pin::pin!(self.client.request(request));
        let connected = async move {
            connection.wait_for_connection_metadata().await;
        };
        // Connecting has limits of its own, in the connector; this one begins when there is a connection.
        tokio::select! {
            biased;
            answer = &mut answer => return answer.map_err(broken),
            () = connected => {}
        }
        tokio::select! {
            biased;
            answer = answer => answer.map_err(broken),
            () = patience => Err(Fault::new(FaultKind::TimedOut, "the origin did not answer in time")),
        }
    }

    /// Sends the request and follows redirects; every target is checked like the first URL.
    async fn follow(&self, ask: Ask<'_>) -> Result<Response<Incoming>, Fault> {
        let first = ask.url.origin();
        let mut url = ask.url.clone();
        for _ in 0..=self.max_redirects {
            if !matches!(url.scheme(), "http" | "https") || !(ask.allowed)(&url) {
                return Err(Fault::new(FaultKind::Forbidden, "this URL may not be fetched"));
            }
            let headers = if url.origin() == first { ask.headers.clone() } else { HeaderMap::new() };
            let response = self.send(request(&ask, &url, headers)?).await?;
            match redirect::target(&url, &response)? {
                Some(target) => url = target,
                None => return Ok(response),
            }
        }
        Err(Fault::new(FaultKind::Upstream, "the origin redirects too often"))
    }
}

fn request(ask: &Ask<'_>, url: &Url, mut headers: HeaderMap) -> Result<Request<RequestBody>, Fault> {
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(range) = ask.range {
        let value = HeaderValue::try_from(answer::range_header(range));
        headers.insert(RANGE, value.expect("a range is written in visible ASCII"));
    }
    // The origin is written without user name and password: those are sent by configured headers or not at all.
    let uri = format!("{}{}", url.origin().ascii_serialization(), &url[Position::BeforePath..Position::AfterQuery]);
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(uri)
        .body(Empty::new().map_err(|never| match never {}).boxed_unsync())
        .map_err(|error| Fault::new(FaultKind::Invalid, "the URL cannot be asked for").caused_by(error))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Finds the connector's own fault inside the client's error; any other failure is the origin's.
fn broken(error: Error) -> Fault {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(fault) = inner.downcast_ref::<Fault>() {
            return fault.clone();
        }
        cause = inner.source();
    }
    Fault::new(FaultKind::Upstream, "the origin broke off the exchange").caused_by(error)
}

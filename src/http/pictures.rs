//! Reads of the traffic listener: every path is a bucket and a key; the key is an object or the result of a transform.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use mortar_actors::{ByteRange, Deadline, Fault, FaultKind};

use super::explain::Explanation;
use super::stats::Traffic;
use crate::domain::{Buckets, Derived, Location, Resolved, resolve};
use crate::pipeline::Pipeline;
use crate::respond::{self, DefaultHeaders, Extras};
use crate::{error, pipeline};

/// Asks for the explanation of an answer, where the configuration allows it.
const DEBUG: HeaderName = HeaderName::from_static("x-mortar-debug");
/// The explanation, as JSON.
const EXPLANATION: HeaderName = HeaderName::from_static("x-mortar-explanation");

/// How long a client may begin to read an object at the storage it was sent to.
const LINK_LASTS: Duration = Duration::from_secs(15 * 60);

/// What the handlers of all workers share.
pub struct Pictures {
    /// How URLs are understood.
    pub routes: Arc<Buckets>,
    /// Where answers come from.
    pub pipeline: Arc<Pipeline>,
    /// Default headers of each bucket, by name.
    pub bucket_headers: BTreeMap<String, DefaultHeaders>,
    /// The time a request may take: until the last byte for a result, until the first for an object.
    pub request_timeout: Duration,
    /// Larger objects are left to their storage where that gives a URL for them.
    pub max_file_size: Option<u64>,
    /// Whether requests may ask for an explanation.
    pub debug_header: bool,
    /// Counts the explanations.
    pub traffic: Traffic,
}

impl Pictures {
    /// Answers a read, whoever asks: the path is a bucket and a key; the key is an object or the result of a transform.
    pub async fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let path = request.uri().path();
        let extras = Extras { defaults: self.headers_of(path), vary: &[] };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let fault = Fault::new(FaultKind::Unsupported, "pictures can be read here: GET, HEAD or OPTIONS");
            return error::answer(request, &fault, extras);
        }
        let resolved = match resolve(&self.routes, path, request.uri().query().unwrap_or_default()) {
            Ok(resolved) => resolved,
            Err(fault) => return error::answer(request, &fault, extras),
        };
        let extras = Extras { defaults: self.bucket_headers.get(&**resolved.bucket.name()), ..extras };
        match &resolved.derived {
            None => self.object(request, resolved.object, extras).await,
            Some(derived) => self.result(request, &resolved, derived, extras).await,
        }
    }

    /// An object as it is stored, streamed.
    async fn object(&self, request: &HttpRequest, object: Location, extras: Extras<'_>) -> HttpResponse {
        let (storage, patience) = (self.pipeline.storage.clone(), self.request_timeout);
        let answered = if request.method() == Method::HEAD {
            let meta = storage.stat(&object.store, &object.key, Deadline::within(patience)).await;
            meta.map(|meta| respond::object_head(request, &meta, extras))
        } else {
            let object = Arc::new(object);
            let elsewhere = Arc::new(OnceLock::new());
            // Whoever signed a request for this address would sign it anew for another, or give up.
            let limit = self.max_file_size.filter(|_| !error::reads_xml(request)).unwrap_or(u64::MAX);
            let noted = Arc::clone(&elsewhere);
            // Each part of a multi-range answer is opened when the client has read that far.
            let fetch = move |part: Option<ByteRange>| {
                let (storage, object, noted) = (storage.clone(), Arc::clone(&object), Arc::clone(&noted));
                async move {
                    let deadline = Deadline::within(patience);
                    let fetched = storage.fetch(&object.store, &object.key, part, deadline).await?;
                    if fetched.meta.length.is_none_or(|length| length <= limit) {
                        return Ok(fetched);
                    }
                    let Some(url) = storage.link(&object.store, &object.key, LINK_LASTS, deadline).await? else {
                        return Ok(fetched);
                    };
                    noted.get_or_init(|| url);
                    Err(Fault::new(FaultKind::TooLarge, "the object is to be read from its storage"))
                }
            };
            // The first bytes are waited for as well.
            let answered = tokio::time::timeout(patience, respond::object(request, extras, fetch)).await;
            let too_slow = |_| Err(Fault::new(FaultKind::TimedOut, "the object did not begin to arrive in time"));
            let answered = answered.unwrap_or_else(too_slow);
            match elsewhere.get() {
                Some(url) => redirect(url, extras),
                None => answered,
            }
        };
        answered.unwrap_or_else(|fault| error::answer(request, &fault, extras))
    }

    /// The result of a transform; where it fails, the placeholder or the error.
    async fn result(
        &self,
        request: &HttpRequest,
        resolved: &Resolved,
        derived: &Derived,
        extras: Extras<'_>,
    ) -> HttpResponse {
        let deadline = Deadline::within(self.request_timeout);
        let outcome = self.pipeline.serve(resolved, derived, deadline).await;
        let (mut response, served) = match outcome {
            Ok(served) => (respond::rendition(request, &served.rendition, extras), Some(served)),
            Err(fault) => match self.pipeline.placeholder(derived, &fault, deadline).await {
                Some(shown) => (respond::placeholder(request, &fault, &shown.rendition, extras), Some(shown)),
                None => (error::answer(request, &fault, extras), None),
            },
        };
        if self.debug_header && request.headers().contains_key(DEBUG) {
            self.explain(response.headers_mut(), resolved, derived, served.as_deref());
        }
        response
    }

    /// Says how the answer was come by. Such an answer is for one pair of eyes, not for caches.
    fn explain(
        &self,
        headers: &mut HeaderMap,
        resolved: &Resolved,
        derived: &Derived,
        served: Option<&pipeline::Served>,
    ) {
        self.traffic.explained();
        let explanation = Explanation::new(resolved, derived, served);
        if let Ok(value) = HeaderValue::try_from(explanation.to_json()) {
            headers.insert(EXPLANATION, value);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }

    /// The default headers of the bucket that a path seems to name, for answers to what could not be resolved.
    fn headers_of(&self, path: &str) -> Option<&DefaultHeaders> {
        self.bucket_headers.get(path.trim_start_matches('/').split('/').next()?)
    }
}

/// Sends the client to the storage. The URL is signed for this moment, so nobody keeps the answer.
fn redirect(url: &str, extras: Extras<'_>) -> Result<HttpResponse, Fault> {
    const STATUS: StatusCode = StatusCode::TEMPORARY_REDIRECT;
    let location = HeaderValue::from_str(url)
        .map_err(|error| Fault::new(FaultKind::Internal, "the storage's URL cannot be sent").caused_by(error))?;
    let mut response = HttpResponse::new(STATUS);
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    extras.write(STATUS, response.headers_mut());
    Ok(response)
}

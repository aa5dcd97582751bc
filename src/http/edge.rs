use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{HeaderValue, ORIGIN};
use actix_web::{Error, HttpMessage, HttpResponse};
use futures::future::{LocalBoxFuture, Ready, ready};
use tracing::Instrument;

use super::access_log::AccessEntry;
use super::panic_fence::fence;
use super::request_id::X_REQUEST_ID;
use super::stats::{Counted, Traffic};
use super::{Cors, RequestId};
use crate::error;
use crate::respond::HeaderRules;
use crate::s3::OfProtocol;

/// What happens around every request.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// Header rules by status.
    pub rules: HeaderRules,
    /// Who may read answers from a page of another origin.
    pub cors: Cors,
    /// Whether one line per request is logged.
    pub access_log: bool,
    /// Counts requests, answers and panics.
    pub traffic: Traffic,
}

/// The outermost middleware, one for all that concerns every request: its id and span, OPTIONS, the panic fence, CORS,
/// header rules and the access log, in this order.
#[derive(Clone, Debug)]
pub struct Edge(Arc<EdgeSettings>);

/// An [`Edge`] around a service of one worker.
pub struct EdgeService<Inner> {
    settings: Arc<EdgeSettings>,
    inner: Rc<Inner>,
}

/// What is remembered of a request while its handler has it.
struct Passage {
    settings: Arc<EdgeSettings>,
    id: RequestId,
    method: Method,
    origin: Option<HeaderValue>,
    access: Option<AccessEntry>,
    counted: Counted,
}

impl Edge {
    /// An edge for any number of workers.
    pub fn new(settings: EdgeSettings) -> Self {
        Self(Arc::new(settings))
    }
}

impl<Inner, Body> Transform<Inner, ServiceRequest> for Edge
where
    Inner: Service<ServiceRequest, Response = ServiceResponse<Body>, Error = Error> + 'static,
    Body: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = EdgeService<Inner>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: Inner) -> Self::Future {
        ready(Ok(EdgeService { settings: Arc::clone(&self.0), inner: Rc::new(inner) }))
    }
}

impl<Inner, Body> Service<ServiceRequest> for EdgeService<Inner>
where
    Inner: Service<ServiceRequest, Response = ServiceResponse<Body>, Error = Error> + 'static,
    Body: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let inner = Rc::clone(&self.inner);
        let passage = Passage::begin(Arc::clone(&self.settings), &request);
        let span = tracing::debug_span!("request", request_id = passage.id.as_str(), method = %passage.method);
        let pass = async move {
            if passage.method == Method::OPTIONS {
                let response = passage.settings.cors.answer_options(request.headers());
                let (request, _) = request.into_parts();
                return Ok(ServiceResponse::new(request, passage.end(response)));
            }
            match fence(|| inner.call(request)).await {
                Some(Ok(response)) => {
                    let (request, response) = response.into_parts();
                    Ok(ServiceResponse::new(request, passage.end(response.map_into_boxed_body())))
                }
                Some(Err(error)) => {
                    let response = error.error_response();
                    if response.status().is_server_error() {
                        tracing::warn!(request_id = passage.id.as_str(), %error, "request failed");
                    }
                    Err(InternalError::from_response(error, passage.end(response)).into())
                }
                // The request went down with its handler; only an error can carry an answer without one.
                None => {
                    passage.settings.traffic.panicked();
                    let response = error::panicked(&passage.method, &passage.id);
                    Err(InternalError::from_response("the handler panicked", passage.end(response)).into())
                }
            }
        };
        Box::pin(pass.instrument(span))
    }
}

impl Passage {
    fn begin(settings: Arc<EdgeSettings>, request: &ServiceRequest) -> Self {
        let id = RequestId::take_over_or_make(request.headers());
        request.extensions_mut().insert(id.clone());
        Self {
            method: request.method().clone(),
            origin: request.headers().get(ORIGIN).cloned(),
            counted: settings.traffic.begin(),
            access: settings.access_log.then(|| AccessEntry::begin(request, &id)),
            settings,
            id,
        }
    }

    /// Puts on an answer what every answer has.
    fn end(self, mut response: HttpResponse) -> HttpResponse {
        let status = response.status();
        self.counted.answered(status);
        let of_protocol = response.extensions().contains::<OfProtocol>();
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, self.id.header());
        self.settings.cors.apply(self.origin.as_ref(), headers);
        if !of_protocol {
            self.settings.rules.apply(status, headers);
        }
        match self.access {
            Some(access) => response.map_body(|_, body| access.end_with(status, body)),
            None => response,
        }
    }
}

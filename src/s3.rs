//! Mortar as an S3 server.
//!
//! The library `s3s` reads requests of the protocol, verifies signatures and writes answers; a `guard` judges what a
//! signature is good for; `operations` carry out what is asked, through the same storage actor as everything else.
//! Reads of objects, signed or not, are answered by `Pictures`: a key can be the result of a transform.
//!
//! ```text
//!  door ── not S3's ──────────────────────────────────────────> Pictures
//!    | S3's
//!  bridge ── legacy, s3s: signature ── guard ── reads an object ─> Pictures
//!                                        | anything else
//!                                   operations ── upload ──> storage
//! ```

mod bridge;
mod buckets;
mod claim;
mod codes;
mod copies;
mod door;
mod guard;
mod keyring;
mod legacy;
mod listing;
mod multipart;
mod object_headers;
mod objects;
mod operations;
mod overrides;
mod upload;

use std::pin::pin;
use std::sync::Arc;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{S3Error, S3Result, s3_error};

use self::guard::{Guard, MayRead};
use self::keyring::Keyring;
use self::operations::Operations;
use self::upload::{Pieces, UploadLimits, Verdict};
use crate::config::Config;
use crate::error::InXml;
use crate::http::pictures::Pictures;

pub(crate) use self::codes::code_of;
pub(crate) use self::door::is_for_s3;
pub use self::multipart::Sweep;

/// The S3 interface. Built once; shared by all workers.
pub struct S3Api {
    service: S3Service,
    keyring: Keyring,
    pictures: Arc<Pictures>,
    limits: UploadLimits,
}

/// Says of an answer that it is the protocol's own: the header rules for pictures are not for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfProtocol;

impl S3Api {
    /// Takes a validated configuration, and what answers reads of objects.
    pub fn new(config: &Config, pictures: Arc<Pictures>) -> Self {
        let api = &config.s3_api;
        let keyring = Keyring::new(api, &config.buckets);
        let public = config.buckets.iter().filter(|(_, bucket)| bucket.public_listing).map(|(name, _)| name.clone());
        let guard = Guard {
            keyring: keyring.clone(),
            routes: Arc::clone(&config.routes),
            public_listings: Arc::new(public.collect()),
            regions: api.regions.clone().into(),
        };
        let limits = UploadLimits {
            bytes: api.max_object_size,
            timeout: api.upload_timeout,
            idle: api.upload_idle_timeout,
            min_rate: api.upload_min_rate,
        };
        let operations = Operations::new(config, guard.clone(), limits, Arc::clone(&pictures.pipeline));
        let mut builder = S3ServiceBuilder::new(operations);
        let mut library = S3Config::default();
        library.xml_max_body_size = XML_BYTES;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(library))));
        builder.set_auth(keyring.clone());
        builder.set_access(guard.clone());
        builder.set_route(guard);
        builder.set_validation(AnyName);
        Self { service: builder.build(), keyring, pictures, limits }
    }

    /// Answers a request that speaks S3.
    pub async fn answer(&self, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
        let (sender, pieces) = bridge::pieces();
        let mut answered = pin!(self.ask(request, pieces));
        // An answer that comes before the end of the body lets go of the rest.
        let answered = tokio::select! {
            answered = &mut answered => answered,
            () = bridge::pump(payload, sender) => answered.await,
        };
        let response = answered.or_else(S3Error::to_http_response);
        let Ok(response) = response else { return HttpResponse::InternalServerError().finish() };
        if response.extensions().get::<MayRead>().is_some() {
            return self.read(request).await;
        }
        let mut response = bridge::response(request, response);
        response.extensions_mut().insert(OfProtocol);
        response
    }

    async fn ask(&self, request: &HttpRequest, pieces: Pieces) -> S3Result<s3s::HttpResponse> {
        // The library would read such a form, and its file, before it knows who signed it.
        let media_type = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
        if media_type.to_ascii_lowercase().starts_with(b"multipart/form-data") {
            return Err(s3_error!(NotImplemented, "uploads by HTML forms are not supported"));
        }
        // It would gather a signed chunk, however large, before it looks at its bound.
        if !bridge::carries_object(request) && is_in_chunks(request) {
            return Err(s3_error!(NotImplemented, "only objects can be sent in chunks"));
        }
        let verdict = Verdict::default();
        let request = bridge::request(request, pieces, self.limits, verdict.clone())?;
        legacy::verify(&self.keyring, request.method(), request.uri(), request.headers()).await?;
        let answer = self.service.call(request).await.map_err(|cause| s3_error!(InternalError, "{cause:?}"));
        verdict.refusal().map_or(answer, |refusal| Err(refusal.to_error()))
    }

    /// Answers a read that the signer may do as everybody's reads are answered.
    async fn read(&self, request: &HttpRequest) -> HttpResponse {
        request.extensions_mut().insert(InXml);
        let mut response = self.pictures.answer(request).await;
        overrides::apply(request, &mut response);
        bridge::mark(request, &mut response);
        response
    }
}

/// Whether the body comes in signed or measured chunks.
fn is_in_chunks(request: &HttpRequest) -> bool {
    let content = request.headers().get("x-amz-content-sha256");
    content.is_some_and(|content| content.as_bytes().starts_with(b"STREAMING-"))
}

/// Largest body of a request that is not an object: a list of a thousand keys, or of ten thousand parts.
const XML_BYTES: usize = 4 << 20;

/// Names of buckets were judged when the configuration was read; others are not found.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

//! `POST /purge` and `GET /variants` on the internal listener: what is derived from originals, and its removal.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use mortar_actors::{Fault, FaultKind, Gate, ObjectKey, OriginalId, Originals};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::internal::uncached;
use crate::domain::{Buckets, is_reserved};
use crate::error;
use crate::pipeline::Pipeline;
use crate::respond::Extras;

/// Purges at once. Each of them goes through listings page by page, so a few are enough to keep a store busy.
const PURGES: usize = 4;
/// No bucket and key are longer, whatever their escapes.
const LARGEST_BODY: usize = 16 << 10;

/// What the handlers work with. Shared by all workers of the internal listener.
#[derive(Clone)]
pub struct Purges {
    pipeline: Arc<Pipeline>,
    at_once: Gate,
}

/// What is to be purged: exactly one of `key`, `prefix` and `all`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    bucket: String,
    key: Option<String>,
    prefix: Option<String>,
    #[serde(default)]
    all: bool,
}

/// Whose results are asked for, and after which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inquiry {
    bucket: String,
    key: String,
    after: Option<String>,
}

impl Purges {
    /// Purges by way of the pipeline.
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline, at_once: Gate::counting("purges", PURGES) }
    }
}

/// Adds the two pages.
pub fn configure(pages: &mut web::ServiceConfig) {
    pages
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .route("/purge", web::post().to(purge))
        .route("/variants", web::get().to(variants));
}

async fn purge(
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
    purges: web::Data<Purges>,
) -> HttpResponse {
    let answered = async {
        let body = body.map_err(|cause| invalid(format!("the body cannot be read: {cause}")))?;
        let originals = parse::<Order>(&body)?.originals(&purges.pipeline.routes)?;
        let _permit = purges.at_once.try_enter(1)?;
        purges.pipeline.purge(originals).await
    };
    match answered.await {
        Ok(invalidation) => uncached(StatusCode::OK).json(invalidation),
        Err(fault) => error::answer(&request, &fault, Extras::default()),
    }
}

async fn variants(request: HttpRequest, purges: web::Data<Purges>) -> HttpResponse {
    let answered = async {
        let inquiry = web::Query::<Inquiry>::from_query(request.query_string());
        let Inquiry { bucket, key, after } =
            inquiry.map_err(|cause| invalid(format!("the query is not understood: {cause}")))?.into_inner();
        let original = original(&purges.pipeline.routes, &bucket, &key)?;
        purges.pipeline.variants(&original, after.as_deref()).await
    };
    match answered.await {
        Ok(page) => uncached(StatusCode::OK).json(page),
        Err(fault) => error::answer(&request, &fault, Extras::default()),
    }
}

impl Order {
    fn originals(&self, buckets: &Buckets) -> Result<Originals, Fault> {
        let Self { bucket, key, prefix, all } = self;
        match (key, prefix, all) {
            (Some(key), None, false) => original(buckets, bucket, key).map(Originals::One),
            (None, Some(prefix), false) if !prefix.is_empty() => {
                known(buckets, bucket)?;
                Ok(Originals::Beginning(format!("{bucket}/{prefix}").into()))
            }
            (None, Some(_), false) => {
                Err(invalid("the prefix is empty; all of a bucket is asked for by \"all\": true"))
            }
            (None, None, true) => {
                known(buckets, bucket)?;
                Ok(Originals::Beginning(format!("{bucket}/").into()))
            }
            _ => Err(invalid("exactly one of \"key\", \"prefix\" and \"all\": true is needed")),
        }
    }
}

fn original(buckets: &Buckets, bucket: &str, key: &str) -> Result<OriginalId, Fault> {
    known(buckets, bucket)?;
    if key.is_empty() || is_reserved(key) {
        return Err(invalid("the key is not one of an object"));
    }
    Ok(OriginalId::in_bucket(bucket, &ObjectKey::new(key)))
}

fn known(buckets: &Buckets, bucket: &str) -> Result<(), Fault> {
    let unknown = || Fault::new(FaultKind::NotFound, "there is no such bucket");
    buckets.get(bucket).map(drop).ok_or_else(unknown)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|cause| invalid(format!("the body is not understood: {cause}")))
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::Invalid, message)
}

//! The pages of the internal listener that only tell: `/stats`, `/metrics`, `/health` and `/ready`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::{HttpResponse, web};
use mortar_actors::storage::StorageHandle;
use mortar_actors::{Gate, Readiness, Tree};

use super::metrics;
use super::stats::{Stats, Traffic};
use crate::app::Instances;
use crate::process::{self, Runtimes};

/// What the internal pages read from. Shared by the application and the internal listener.
#[derive(Clone)]
pub struct Vitals(Arc<Sources>);

struct Sources {
    tree: Arc<Tree>,
    storage: StorageHandle,
    watermarks: Gate,
    instances: Arc<Instances>,
    traffic: Traffic,
    runtimes: Runtimes,
    stopping: AtomicBool,
}

impl Vitals {
    /// Reads from the given parts of the service.
    pub fn new(
        tree: Arc<Tree>,
        storage: StorageHandle,
        watermarks: Gate,
        instances: Arc<Instances>,
        traffic: Traffic,
        runtimes: Runtimes,
    ) -> Self {
        let stopping = AtomicBool::new(false);
        Self(Arc::new(Sources { tree, storage, watermarks, instances, traffic, runtimes, stopping }))
    }

    /// From now on the service is not ready.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether requests are welcome: the tree is well, stores answer, and the service is not about to stop.
    pub fn readiness(&self) -> Readiness {
        let mut reasons = self.0.tree.readiness().reasons;
        if self.0.stopping.load(Ordering::Relaxed) {
            reasons.push("the service is stopping".to_owned());
        }
        let failing = self.0.storage.reachable().failing;
        reasons.extend(failing.into_iter().map(|store| format!("the storage {store} does not answer")));
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// Everything that `/stats` shows.
    pub fn stats(&self) -> Stats {
        let Sources { tree, watermarks, instances, traffic, runtimes, .. } = &*self.0;
        let readiness = self.readiness();
        Stats {
            version: env!("CARGO_PKG_VERSION"),
            ready: readiness.ready,
            reasons: readiness.reasons,
            tree: tree.stats(),
            watermarks: watermarks.stats(),
            redis: instances.stats(),
            http: traffic.stats(),
            process: process::read(runtimes),
        }
    }
}

/// Adds the internal pages.
pub fn configure(pages: &mut web::ServiceConfig) {
    pages
        .route("/stats", web::get().to(stats))
        .route("/metrics", web::get().to(metrics))
        .route("/health", web::get().to(health))
        .route("/ready", web::get().to(ready))
        .default_service(web::to(index));
}

async fn stats(vitals: web::Data<Vitals>) -> HttpResponse {
    uncached(StatusCode::OK).json(vitals.stats())
}

async fn metrics(vitals: web::Data<Vitals>) -> HttpResponse {
    match metrics::render(vitals.stats()) {
        Ok(text) => uncached(StatusCode::OK).content_type(metrics::CONTENT_TYPE).body(text),
        Err(cause) => {
            tracing::error!(%cause, "the metrics cannot be written");
            uncached(StatusCode::INTERNAL_SERVER_ERROR).finish()
        }
    }
}

/// Alive: this process answers. It says nothing of load or stores, so that neither makes anybody restart it.
async fn health() -> HttpResponse {
    uncached(StatusCode::OK).json(serde_json::json!({ "status": "alive", "version": env!("CARGO_PKG_VERSION") }))
}

/// Ready: requests are welcome. 503 with every reason where they are not.
async fn ready(vitals: web::Data<Vitals>) -> HttpResponse {
    let readiness = vitals.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    uncached(status).json(readiness)
}

async fn index() -> HttpResponse {
    let pages = "Mortar's internal pages: /stats /metrics /health /ready /variants, and POST /purge\n";
    uncached(StatusCode::NOT_FOUND).content_type(ContentType::plaintext()).body(pages)
}

/// An answer that nobody keeps.
pub(super) fn uncached(status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CACHE_CONTROL, "no-store"));
    response
}

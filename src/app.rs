//! The assembly: the one place that knows every concrete type.

mod instances;
mod settings;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use actix_rt::Arbiter;
use mortar_actors::{Deadline, Fault, Tree, TreeBuilder};

use crate::adapters::raster::engine::RasterEngine;
use crate::adapters::{GuardedClient, Stores};
use crate::config::{self, Config};
use crate::http::internal::Vitals;
use crate::http::pictures::Pictures;
use crate::http::purge::Purges;
use crate::http::stats::Traffic;
use crate::http::{Cors, CorsSettings, Edge, EdgeSettings};
use crate::pipeline::{Overlays, Pipeline, PipelineSettings, Placeholder, Recovery};
use crate::process::{self, Runtimes};
use crate::respond::{DefaultHeaders, HeaderRule, HeaderRules};
use crate::s3::{S3Api, Sweep};
use crate::{respond, sample};

pub use instances::Instances;

/// The running service without its listeners.
pub struct App {
    /// What the traffic listeners answer with.
    pub pictures: Arc<Pictures>,
    /// What they answer S3's clients with.
    pub s3: Arc<S3Api>,
    /// What happens around every request.
    pub edge: Edge,
    /// What the internal listener reads.
    pub vitals: Vitals,
    /// What the internal listener removes results by.
    pub purges: Purges,
    /// The runtimes whose tasks are counted; each worker enrols its own.
    pub runtimes: Runtimes,
    tree: Arc<Tree>,
    arbiter: Arbiter,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A header, origin or method in the configuration is not one.
    #[error("{0}")]
    Headers(String),
    /// The placeholder cannot be read, or is no picture.
    #[error("server.placeholder: {0}")]
    Placeholder(Fault),
    /// The directory of a local storage cannot be created.
    #[error("the directory {} of a storage cannot be created: {cause}", root.display())]
    Root {
        /// The directory.
        root: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The Redis that a section names cannot be used.
    #[error("{section}: {fault}")]
    Redis {
        /// The section.
        section: &'static str,
        /// Why.
        fault: Fault,
    },
    /// An actor did not start.
    #[error("{0}")]
    Tree(#[from] Fault),
}

impl App {
    /// Starts the actors in order and puts the service together.
    ///
    /// # Errors
    /// See [`StartError`]. What had been started is stopped.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let traffic = Traffic::default();
        let rules = header_rules(config)?;
        let bucket_headers = bucket_headers(config)?;
        let lifetimes = bucket_headers.iter().filter_map(|(bucket, headers)| {
            let lifetime = respond::shared_lifetime(headers, &rules)?;
            Some((bucket.clone(), lifetime))
        });
        let numbers = PipelineSettings {
            source_bytes: config.limits.source_bytes,
            result_bytes: result_bytes(config),
            default_time_to_live: config.server.cache.default_time_to_live,
            times_to_live: lifetimes.collect(),
        };
        let edge = edge(config, rules, &traffic)?;
        let client = Arc::new(GuardedClient::new(&config.origins));
        let placeholder = placeholder(config, &client).await?;
        let instances = Arc::new(Instances::new(config)?);
        let stores = stores(config);
        stores.create_roots().map_err(|(root, cause)| StartError::Root { root, cause })?;

        let arbiter = actors_arbiter(blocking_threads(config));
        let runtimes = Runtimes::default();
        runtimes.enrol_current();
        let enrolled = runtimes.clone();
        arbiter.spawn_fn(move || {
            enrolled.enrol_current();
            process::answer_promptly();
        });

        let tree = Tree::builder(arbiter.handle()).supervision(settings::supervision(config));
        let mut tree = tree.epochs(instances.epochs().clone());
        let pipeline = pipeline(config, numbers, &mut tree, stores, client, placeholder, &instances);
        let pipeline = Arc::new(pipeline);
        let recovery = Arc::new(Recovery::new(config, Arc::clone(&pipeline)));
        let recovering = Arc::clone(&recovery);
        tree.task("changes", move || Arc::clone(&recovering).run());
        let tree = Arc::new(tree.start().await?);
        let (storage, watermarks) = (pipeline.storage.clone(), pipeline.overlays.gate().clone());
        let vitals = Vitals::new(Arc::clone(&tree), storage, watermarks, instances, traffic.clone(), runtimes.clone());
        let purges = Purges::new(Arc::clone(&pipeline));
        let pictures = Pictures {
            routes: Arc::clone(&config.routes),
            pipeline,
            bucket_headers,
            request_timeout: config.server.request_timeout,
            max_file_size: config.server.max_file_size,
            debug_header: config.server.debug_header,
            traffic,
        };
        let pictures = Arc::new(pictures);
        let s3 = Arc::new(S3Api::new(config, Arc::clone(&pictures)));
        let app = Self { pictures, s3, edge, vitals, purges, runtimes, tree, arbiter };
        app.provide_sample(config).await;
        recovery.begin().await;
        Ok(app)
    }

    /// Resolves with the name of an actor that has given up.
    pub async fn failed(&self) -> &'static str {
        self.tree.failed().await
    }

    /// Writes what is queued for the result stores, then stops the actors in reverse order. To be called when no more
    /// requests come in.
    pub async fn stop(self, config: &Config) {
        let flushed = self.pictures.pipeline.store_back.flush(Deadline::within(config.actors.store_back.flush_timeout));
        if !flushed.await {
            tracing::warn!("some results could not be stored in time; they will be made again when asked for");
        }
        self.tree.stop(config.supervision.stop_timeout).await;
        self.arbiter.stop();
    }

    /// The sample is a courtesy: the service goes on without it.
    async fn provide_sample(&self, config: &Config) {
        let Some(bucket) = config.routes.get(sample::BUCKET).filter(|_| config.server.sample) else { return };
        let deadline = Deadline::within(config.server.request_timeout);
        if let Err(fault) = sample::provide(&self.pictures.pipeline.storage, bucket.originals(), deadline).await {
            tracing::warn!(%fault, "the sample picture cannot be written");
        }
    }
}

fn pipeline(
    config: &Config,
    numbers: PipelineSettings,
    tree: &mut TreeBuilder,
    stores: Stores,
    client: Arc<GuardedClient>,
    placeholder: Option<Placeholder>,
    instances: &Instances,
) -> Pipeline {
    let storage = tree.storage(settings::storage(config), Arc::new(stores));
    let cache = tree.cache(settings::cache(config), instances.cache());
    if let Some(announcements) = instances.announcements() {
        let epochs = instances.epochs().clone();
        tree.task("announcements", move || {
            let (announcements, epochs) = (Arc::clone(&announcements), epochs.clone());
            async move { announcements.listen(Some(&epochs)).await }
        });
    }
    let (sweep, swept) = (Sweep::new(config), storage.clone());
    tree.task("uploads", move || sweep.clone().run(swept.clone()));
    let flights = tree.lock(settings::lock(config), instances.lease());
    let (limits, encoding) = (config.limits.clone(), config.encoding.clone());
    let transform =
        tree.transform(settings::transform(config), move || RasterEngine::new(limits.clone(), encoding.clone()));
    let store_back = tree.store_back(settings::store_back(config), storage.clone());
    Pipeline {
        routes: Arc::clone(&config.routes),
        overlays: Overlays::new(settings::overlays(config), Arc::clone(&config.routes), client),
        storage,
        cache,
        epochs: instances.epochs().clone(),
        flights,
        transform,
        store_back,
        placeholder,
        settings: numbers,
    }
}

/// A result that was rendered can be read back: no format takes more than the samples, four of 16 bits for a pixel.
fn result_bytes(config: &Config) -> u64 {
    const BYTES_PER_PIXEL: u64 = 8;
    let largest = config.limits.output_pixels.saturating_mul(BYTES_PER_PIXEL).max(config.limits.source_bytes);
    largest.min(config.actors.storage.bytes_in_flight)
}

/// Everything that the gates admit at once, each with a thread, and a check of every store client besides: nothing queues
/// in the blocking pool unseen, and renders do not wait behind a disk that hangs.
fn blocking_threads(config: &Config) -> usize {
    let storage = &config.actors.storage;
    let notes = storage.writes;
    let operations = [storage.reads, storage.streams, storage.writes, storage.write_backs, notes, storage.clients];
    // One small render may run beside large ones, and twice as many headers are looked at.
    let renders = config.server.concurrent_image_processing.saturating_mul(3).saturating_add(1);
    operations.into_iter().fold(renders, usize::saturating_add)
}

/// All actors share one thread: their handlers take microseconds. Renders and file operations run on its blocking pool,
/// whose threads are made when they are needed and end after a while. Those yield to the threads that speak HTTP.
fn actors_arbiter(blocking_threads: usize) -> Arbiter {
    Arbiter::with_tokio_rt(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(blocking_threads)
            .thread_keep_alive(std::time::Duration::from_secs(10))
            .on_thread_start(process::yield_to_others)
            .build()
            .expect("a runtime needs only a poll descriptor and a timer")
    })
}

async fn placeholder(config: &Config, client: &GuardedClient) -> Result<Option<Placeholder>, StartError> {
    let Some(place) = &config.server.placeholder else { return Ok(None) };
    let limit = config.limits.source_bytes;
    let bytes = match place {
        config::Placeholder::File(path) => tokio::fs::read(path).await.map(Into::into).map_err(|cause| {
            let message = format!("{} cannot be read: {cause}", path.display());
            Fault::new(mortar_actors::FaultKind::Invalid, message)
        }),
        config::Placeholder::Url(url) => {
            let deadline = Deadline::within(config.server.request_timeout);
            match client.fetch_url(url, limit, deadline, &|_| true).await {
                Ok(fetched) => fetched.body.collect(limit).await,
                Err(fault) => Err(fault),
            }
        }
    };
    bytes.and_then(Placeholder::new).map(Some).map_err(StartError::Placeholder)
}

fn header_rules(config: &Config) -> Result<HeaderRules, StartError> {
    let rules: Vec<_> = config
        .headers
        .iter()
        .map(|rule| HeaderRule {
            status_codes: rule.status_codes.clone(),
            override_existing: rule.override_existing,
            values: rule.values.clone(),
        })
        .collect();
    HeaderRules::new(&rules).map_err(StartError::Headers)
}

fn edge(config: &Config, rules: HeaderRules, traffic: &Traffic) -> Result<Edge, StartError> {
    let cors = &config.server.cors;
    let cors = CorsSettings {
        allow_origins: if cors.enabled { cors.allow_origins.clone() } else { Vec::new() },
        allow_methods: cors.allow_methods.clone(),
        allow_headers: cors.allow_headers.clone(),
        expose_headers: cors.expose_headers.clone(),
        max_age: cors.max_age,
    };
    Ok(Edge::new(EdgeSettings {
        rules,
        cors: Cors::new(&cors).map_err(StartError::Headers)?,
        access_log: config.server.access_logs,
        traffic: traffic.clone(),
    }))
}

fn bucket_headers(config: &Config) -> Result<BTreeMap<String, DefaultHeaders>, StartError> {
    let read = |(name, bucket): (&String, &config::BucketConfig)| {
        DefaultHeaders::new(&bucket.headers).map(|headers| (name.clone(), headers)).map_err(StartError::Headers)
    };
    config.buckets.iter().map(read).collect()
}

fn stores(config: &Config) -> Stores {
    let storages: HashMap<_, _> = config
        .buckets
        .iter()
        .flat_map(|(bucket, of)| of.storages.iter().map(move |(name, storage)| ((bucket, name), storage)))
        .map(|((bucket, name), storage)| ((bucket.clone(), name.clone()), storage.clone()))
        .collect();
    Stores::new(storages, config.origins.clone(), config.s3.clone(), config.actors.storage.file_operations)
}

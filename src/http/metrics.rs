//! `/metrics`: the same readings as `/stats`, in the OpenMetrics text format that Prometheus scrapes.

use std::fmt;

use mortar_actors::{ActorStats, Detail, Percentiles};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::stats::Stats;
use crate::adapters::RedisStats;

/// The media type of the text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes the metrics of one reading.
///
/// # Errors
/// Never in practice: writing to a string does not fail.
pub(super) fn render(stats: Stats) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("mortar");
    registry.register_collector(Box::new(Reading(stats)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Reading(Stats);

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let out = &mut encoder;
        self.actors(out)?;
        self.gates(out)?;
        self.times(out)?;
        for child in &self.0.tree.children {
            detail(out, child)?;
        }
        self.redis(out)?;
        self.http(out)?;
        self.process(out)
    }
}

/// How one figure of each actor is called and read.
type ActorFigure = (&'static str, &'static str, fn(&ActorStats) -> u64);

const ACTOR_COUNTERS: [ActorFigure; 6] = [
    ("actor_handled", "Asks answered with success", |actor| actor.counts.handled),
    ("actor_refused", "Asks refused at a full gate or a restarting actor", |actor| actor.counts.refused),
    ("actor_cancelled", "Asks that nobody waited for any more", |actor| actor.counts.cancelled),
    ("actor_failed", "Asks answered with another fault", |actor| actor.counts.failed),
    ("actor_panics", "Panics caught", |actor| actor.counts.panics),
    ("actor_restarts", "Rebuilds by the supervisor", |actor| actor.restarts),
];

const ACTOR_GAUGES: [ActorFigure; 4] = [
    ("actor_capacity", "Most that the actor's gate admits", |actor| actor.capacity),
    ("actor_queued", "Messages in the mailbox", |actor| actor.counts.queued),
    ("actor_running", "Messages being worked on", |actor| actor.counts.running),
    ("actor_uptime_seconds", "Seconds since the actor was last built", |actor| actor.uptime_seconds),
];

impl Reading {
    fn actors(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let children = &self.0.tree.children;
        for (name, help, read) in ACTOR_COUNTERS {
            counters(out, name, help, children.iter().map(|actor| ([("actor", actor.name)], read(actor))))?;
        }
        for (name, help, read) in ACTOR_GAUGES {
            gauges(out, name, help, children.iter().map(|actor| ([("actor", actor.name)], read(actor) as f64)))?;
        }
        Ok(())
    }

    fn gates(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let watermarks = &self.0.watermarks;
        let gates = || {
            let of_actors =
                self.0.tree.children.iter().flat_map(|actor| {
                    actor.gates.iter().map(|gate| ([("actor", actor.name), ("gate", gate.name)], gate))
                });
            of_actors.chain([([("actor", "pipeline"), ("gate", watermarks.name)], watermarks)])
        };
        gauges(out, "gate_capacity", "Most that a gate admits", gates().map(|(of, gate)| (of, gate.capacity as f64)))?;
        gauges(out, "gate_held", "What a gate has admitted", gates().map(|(of, gate)| (of, gate.held as f64)))?;
        gauges(out, "gate_waiting", "Requesters at a gate", gates().map(|(of, gate)| (of, gate.waiting as f64)))?;
        let waited = gates().map(|(of, gate)| (of, gate.waited_micros as f64 / 1e6));
        counters(out, "gate_waited_seconds", "Time that requesters have waited at a gate", waited)?;
        counters(out, "gate_admitted", "Entries through a gate", gates().map(|(of, gate)| (of, gate.admitted)))?;
        counters(out, "gate_refused", "Refusals of a gate", gates().map(|(of, gate)| (of, gate.refused)))
    }

    fn times(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let wait: fn(&ActorStats) -> &Percentiles = |actor| &actor.wait;
        let work: fn(&ActorStats) -> &Percentiles = |actor| &actor.work;
        for (name, help, read) in [
            ("actor_wait_seconds", "Time from the ask until work began", wait),
            ("actor_work_seconds", "Time from the begin of work to its answer", work),
        ] {
            let rows = self.0.tree.children.iter().flat_map(|actor| {
                let times = read(actor);
                [("0.5", times.p50_micros), ("0.9", times.p90_micros), ("0.99", times.p99_micros)]
                    .map(|(quantile, micros)| ([("actor", actor.name), ("quantile", quantile)], micros as f64 / 1e6))
            });
            gauges(out, name, help, rows)?;
        }
        // Prometheus divides their growth, which tells the mean of late; the quantiles above are over all time.
        for (count, total, read) in
            [("actor_waits", "actor_waited_seconds", wait), ("actor_works", "actor_worked_seconds", work)]
        {
            let times = || self.0.tree.children.iter().map(|actor| ([("actor", actor.name)], read(actor)));
            counters(out, count, "Times measured", times().map(|(of, times)| (of, times.count)))?;
            let seconds = times().map(|(of, times)| (of, times.total_micros as f64 / 1e6));
            counters(out, total, "Those times together", seconds)?;
        }
        Ok(())
    }

    fn redis(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let servers = || self.0.redis.iter().map(|redis| ([("user", redis.user)], redis));
        let open = |(of, redis): ([_; 1], &RedisStats)| (of, redis.connections as f64);
        let busy = |(of, redis): ([_; 1], &RedisStats)| (of, redis.connections.saturating_sub(redis.idle) as f64);
        let waiting = |(of, redis): ([_; 1], &RedisStats)| (of, redis.waiting as f64);
        gauges(out, "redis_connections", "Connections open or being opened", servers().map(open))?;
        gauges(out, "redis_connections_busy", "Those that are used at the moment", servers().map(busy))?;
        gauges(out, "redis_waiting", "Operations that wait for a connection", servers().map(waiting))?;
        let operations = servers().map(|(of, redis)| (of, redis.operations));
        counters(out, "redis_operations", "Operations begun", operations)?;
        counters(out, "redis_failures", "Operations that failed", servers().map(|(of, redis)| (of, redis.failures)))
    }

    fn http(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let http = &self.0.http;
        counter(out, "http_requests", "Requests answered", http.requests)?;
        counter(out, "http_panics", "Panics of request handlers", http.panics)?;
        counter(out, "http_explanations", "Answers explained to whoever sent the debug header", http.explanations)?;
        let classes = http.by_class.iter().map(|(class, count)| ([("class", *class)], *count));
        counters(out, "http_responses", "Answers by class of status", classes)?;
        gauge(out, "http_in_flight", "Requests being answered", http.in_flight as f64)?;
        gauge(out, "ready", "1 when requests are welcome", f64::from(u8::from(self.0.ready)))
    }

    fn process(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let process = &self.0.process;
        for (name, help, figure) in [
            ("process_resident_bytes", "Resident memory", process.resident_bytes),
            ("process_peak_resident_bytes", "Highest resident memory so far", process.peak_resident_bytes),
            ("process_open_descriptors", "Open file descriptors", process.open_descriptors),
            ("process_threads", "Threads", process.threads),
            ("process_tasks", "Live tasks over all runtimes", Some(process.tasks as u64)),
        ] {
            if let Some(figure) = figure {
                gauge(out, name, help, figure as f64)?;
            }
        }
        Ok(())
    }
}

/// What only one kind of actor has.
fn detail(out: &mut DescriptorEncoder, child: &ActorStats) -> fmt::Result {
    match &child.detail {
        None => Ok(()),
        Some(Detail::Storage(storage)) => {
            let open = storage.clients.iter().filter(|client| client.open).count();
            gauge(out, "storage_clients", "Store clients open", open as f64)?;
            counter(out, "storage_clients_opened", "Store clients built", storage.opened)?;
            counter(out, "storage_clients_evicted", "Store clients closed to make room", storage.evicted)?;
            counter(out, "storage_clients_unhealthy", "Store clients closed as unhealthy", storage.unhealthy_closed)
        }
        Some(Detail::Cache(cache)) => {
            gauge(out, "cache_entries", "Entries in memory", cache.entries as f64)?;
            gauge(out, "cache_bytes", "Bytes in memory", cache.bytes as f64)?;
            gauge(out, "cache_max_bytes", "Bytes that memory may hold", cache.max_bytes as f64)?;
            let hits = [([("tier", "memory")], cache.memory_hits), ([("tier", "shared")], cache.shared_hits)];
            counters(out, "cache_hits", "Asks answered from a tier", hits.into_iter())?;
            counter(out, "cache_misses", "Lookups that no tier could answer", cache.misses)?;
            counter(out, "cache_evictions", "Entries that left memory to make room", cache.evictions)?;
            gauge(out, "cache_originals", "Originals that something is derived from", cache.originals as f64)?;
            counter(out, "cache_replaced", "Entries that went with their original", cache.replaced)?;
            counter(out, "cache_shared_faults", "Failed operations of the shared level", cache.shared_faults)
        }
        Some(Detail::Lock(lock)) => {
            gauge(out, "flights", "Flights under way", lock.live as f64)?;
            gauge(out, "flight_waiters", "Waiters on all flights", lock.waiters as f64)?;
            counter(out, "flights_started", "Flights started", lock.started)?;
            counter(out, "flights_joined", "Requests that joined a flight", lock.joined)?;
            counter(out, "flights_abandoned", "Flights ended as nobody waited", lock.abandoned)?;
            counter(out, "flights_elsewhere", "Flights that another instance answered", lock.answered_elsewhere)
        }
        Some(Detail::Transform(transform)) => {
            gauge(out, "renders_running", "Renders on a CPU thread", transform.running as f64)?;
            gauge(out, "renders_queued", "Renders waiting for their turn", transform.queued as f64)?;
            gauge(out, "render_memory_bytes", "Estimated bytes of running renders", transform.memory_bytes as f64)?;
            gauge(out, "renders_stuck", "Renders long past their deadline", transform.stuck as f64)?;
            gauge(out, "renders_quarantined", "Keys refused after a panic", transform.quarantined as f64)
        }
        Some(Detail::StoreBack(store_back)) => {
            gauge(out, "store_back_queued", "Results waiting to be stored", store_back.queued as f64)?;
            gauge(out, "store_back_queued_bytes", "Bytes of those results", store_back.queued_bytes as f64)?;
            gauge(out, "store_back_doubtful", "Stored results that may be old", store_back.doubtful as f64)?;
            counter(out, "store_back_written", "Results stored", store_back.written)?;
            counter(out, "store_back_dropped", "Results dropped to make room", store_back.dropped)?;
            counter(out, "store_back_outdated", "Results whose original was replaced", store_back.outdated)?;
            counter(out, "store_back_failed", "Results whose write failed", store_back.failed)
        }
    }
}

fn counter(out: &mut DescriptorEncoder, name: &str, help: &str, count: u64) -> fmt::Result {
    let metric = ConstCounter::new(count);
    metric.encode(out.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn gauge(out: &mut DescriptorEncoder, name: &str, help: &str, figure: f64) -> fmt::Result {
    let metric = ConstGauge::new(figure);
    metric.encode(out.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn counters<Labels: EncodeLabelSet, Count: EncodeCounterValue>(
    out: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (Labels, Count)>,
) -> fmt::Result {
    let kind = ConstCounter::new(0u64).metric_type();
    let mut family = out.encode_descriptor(name, help, None, kind)?;
    for (labels, count) in rows {
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauges<Labels: EncodeLabelSet>(
    out: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (Labels, f64)>,
) -> fmt::Result {
    let kind = ConstGauge::new(0f64).metric_type();
    let mut family = out.encode_descriptor(name, help, None, kind)?;
    for (labels, figure) in rows {
        ConstGauge::new(figure).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

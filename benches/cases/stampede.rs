//! A thousand requests for one result that is not there yet, beside one bare render: what it costs that all of them
//! wait for the same flight.

use std::collections::HashMap;
use std::time::Duration;

use actix_rt::System;
use futures::future::join_all;
use mortar::app::App;
use mortar::config;
use mortar::domain::resolve;
use mortar_actors::Deadline;

use crate::bare;
use crate::paired::{Clock, Pair, say};
use crate::pictures::photograph;
use crate::service::Site;

const JOINERS: usize = 1_000;
const ROUNDS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run() {
    let jpeg = photograph().jpeg;
    // A picture of its own for each turn, so that each turn has a key that nobody has asked for.
    let names: Vec<String> = (0..=ROUNDS).map(|turn| format!("picture-{turn}.jpg")).collect();
    let site = Site::with(names.iter().map(|name| (name.as_str(), jpeg.as_slice())));
    let config = config::parse(&site.config(), &HashMap::new()).expect("the configuration of the benchmarks is right");
    let system = System::new();
    let app = system.block_on(App::start(&config)).expect("it starts");
    let mut unasked = names.iter();
    let stampede = || {
        let name = unasked.next().expect("there is one for each turn");
        system.block_on(join(&app, &config, &format!("/media/{name}")));
    };
    Pair::new(format!("stampede: {JOINERS} joiners, one key"), Clock::Process, ROUNDS)
        .run(stampede, || bare::jpeg_to_jpeg(&jpeg, 80));
    let rendered = transforms(&app);
    say(&format!("  {rendered} renders for {} requests", (ROUNDS + 1) * JOINERS));
    system.block_on(app.stop(&config));
}

async fn join(app: &App, config: &config::Config, path: &str) {
    let pipeline = &app.pictures.pipeline;
    let resolved = resolve(&config.routes, path, "width=800&quality=80").expect("a right URL");
    let derived = resolved.derived.as_ref().expect("a transform");
    let deadline = Deadline::within(PATIENCE);
    let joined = join_all((0..JOINERS).map(|_| pipeline.serve(&resolved, derived, deadline))).await;
    assert!(joined.iter().all(Result::is_ok), "all are served");
}

/// How many renders the transform actor has done.
fn transforms(app: &App) -> u64 {
    let stats = app.vitals.stats();
    stats.tree.children.iter().filter(|child| child.name == "transform").map(|child| child.counts.handled).sum()
}

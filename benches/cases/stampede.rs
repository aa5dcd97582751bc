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
    let site = Site::with([("picture.jpg", jpeg.as_slice())]);
    let config = config::parse(&site.config(), &HashMap::new()).expect("the configuration of the benchmarks is right");
    let system = System::new();
    let app = system.block_on(App::start(&config)).expect("it starts");
    let mut turn = 0;
    let mut stampede = || {
        turn += 1;
        // A bound that is never reached makes every turn another result that costs the same.
        let query = format!("width=800&height={}&quality=80", 8_000 - turn);
        system.block_on(join(&app, &config, &query));
    };
    Pair::new(format!("stampede: {JOINERS} joiners, one key"), Clock::Process, ROUNDS)
        .run(&mut stampede, || bare::jpeg_to_jpeg(&jpeg, 80));
    let rendered = transforms(&app);
    say(&format!("  {rendered} renders for {} requests", (ROUNDS + 1) * JOINERS));
    system.block_on(app.stop(&config));
}

async fn join(app: &App, config: &config::Config, query: &str) {
    let pipeline = &app.pictures.pipeline;
    let resolved = resolve(&config.routes, "/media/picture.jpg", query).expect("a right URL");
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

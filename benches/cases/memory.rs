//! What the real program holds: at the peak of one large render, and under ten thousand requests for one URL.

use mortar_load::ask;

use crate::paired::say;
use crate::pictures::photographs;
use crate::service::{Server, Site};

const MEGABYTE: f64 = 1e6;
/// Most of a render above idle, in bytes.
const RENDER_TARGET: u64 = 30_000_000;
/// Most of the whole process under load, in bytes.
const LOAD_TARGET: u64 = 100_000_000;

pub(super) fn run() {
    for photograph in photographs() {
        let site = Site::with([("picture.jpg", photograph.jpeg.as_slice())]);
        for (name, query) in [("JPEG", "width=800&quality=80"), ("WebP", "width=800&quality=80&format=webp")] {
            let server = site.serve();
            warm_up(&server);
            let idle = server.resident();
            server.forget_peak();
            ask_cleanly(&server, &format!("/media/picture.jpg?{query}"), 1, 1);
            let above = server.peak().saturating_sub(idle);
            report(&format!("memory: {} to {name}, above idle", photograph.name), above, RENDER_TARGET);
        }
        let server = site.serve();
        ask_cleanly(&server, "/media/large/picture.jpg", 100, 10_000);
        report(&format!("memory: {} 10,000 x 100, resident", photograph.name), server.peak(), LOAD_TARGET);
    }
}

/// A first request that renders nothing, so that threads, clients and buffers are there.
fn warm_up(server: &Server) {
    ask(&server.url("/media/nothing.jpg"), 2, 20).expect("the server listens");
}

fn ask_cleanly(server: &Server, path: &str, connections: usize, requests: u64) {
    let answers = ask(&server.url(path), connections, requests).expect("the server listens");
    assert!(answers.are_clean(), "{:?}, {} failed", answers.statuses, answers.failed);
}

fn report(name: &str, bytes: u64, target: u64) {
    let met = if bytes < target { "met" } else { "MISSED" };
    say(&format!("{name:<44} {:>6.1} MB  target {:.0} MB: {met}", bytes as f64 / MEGABYTE, target as f64 / MEGABYTE));
}

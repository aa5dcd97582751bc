//! A result from the memory of the real program, over HTTP, beside a bare actix-web handler that has the same bytes
//! ready: CPU time of the server process for one request.

use std::time::Duration;

use mortar_load::ask;

use crate::bare;
use crate::paired::{Clock, Pair};
use crate::pictures::photograph;
use crate::service::{Server, Site};

const REQUESTS: u32 = 4_000;
const CONNECTIONS: usize = 16;
const ROUNDS: usize = 16;
const TARGET: f64 = 1.5;

pub(super) fn run() {
    let photograph = photograph();
    let large = bare::jpeg_to_jpeg(&photograph.jpeg, 80);
    let site = Site::with([("picture.jpg", photograph.jpeg.as_slice())]);
    let server = site.serve();
    let small = vec![0; 3_000];
    for (name, path, about) in [
        ("hit: 100 px, preset", "/media/small/picture.jpg", &small),
        ("hit: 800 px, preset", "/media/large/picture.jpg", &large),
        ("hit: 800 px, query", "/media/picture.jpg?width=800&quality=80", &large),
    ] {
        let length = length_of(&server, path);
        let bare = Server::bare(&about.iter().copied().cycle().take(length).collect::<Vec<_>>());
        Pair::new(format!("{name}, {length} bytes"), Clock::Child, ROUNDS)
            .target(TARGET)
            .run_measured(|| cost(&server, path), || cost(&bare, path));
    }
}

/// The length of the body, which the first request has rendered and left in the cache.
fn length_of(server: &Server, path: &str) -> usize {
    let once = ask(&server.url(path), 1, 1).expect("the server listens");
    assert!(once.are_clean(), "{path}: {:?}", once.statuses);
    once.bytes as usize
}

fn cost(server: &Server, path: &str) -> Duration {
    let before = server.cpu();
    let answers = ask(&server.url(path), CONNECTIONS, REQUESTS.into()).expect("the server listens");
    let used = server.cpu() - before;
    assert!(answers.are_clean(), "{:?}, {} failed", answers.statuses, answers.failed);
    used / REQUESTS
}

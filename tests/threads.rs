//! The threads of the real program, as the system sees them.

mod harness;

use std::fs;
use std::path::Path;

use harness::{Mortar, drawn_jpeg, wait_for};

/// A thread: its name and its niceness, the lower the more it comes first.
#[derive(Debug)]
struct Thread {
    name: String,
    niceness: i32,
}

fn threads(mortar: &Mortar) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{}/task", mortar.id())).expect("mortar runs").flatten();
    // A thread may end while it is looked at.
    tasks.filter_map(|task| read(&task.path())).collect()
}

fn read(task: &Path) -> Option<Thread> {
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    let (front, fields) = stat.rsplit_once(')')?;
    let name = front.split_once('(')?.1.to_owned();
    // The 19th field of all; the first behind the name is the third.
    Some(Thread { name, niceness: fields.split_whitespace().nth(16)?.parse().ok()? })
}

/// Without its thread, what a burst of renders has freed stays with the process until the next burst.
#[test]
fn memory_goes_back_to_the_system_without_further_requests() {
    let mortar = Mortar::start();
    wait_for("the allocator's thread", || {
        threads(&mortar).iter().any(|thread| thread.name.starts_with("jemalloc_bg")).then_some(())
    });
}

#[test]
fn threads_that_render_yield_to_those_that_speak_http() {
    let mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    assert_eq!(mortar.get("/media/a.jpg?width=20").status, 200);
    let threads = threads(&mortar);
    let usual = threads.iter().map(|thread| thread.niceness).min().unwrap();
    let (yielding, others): (Vec<_>, Vec<_>) = threads.iter().partition(|thread| thread.niceness > usual);
    assert!(!yielding.is_empty(), "{threads:#?}");
    let http = others.iter().filter(|thread| thread.name.starts_with("actix-server"));
    assert!(http.count() >= 2, "{threads:#?}");
}

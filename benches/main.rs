//! What Mortar costs beside the bare calls that it is made of, and beside libvips. See `docs/benchmarks.md`.
//!
//! `cargo bench --bench mortar` runs everything; `cargo bench --bench mortar -- hit render` runs what is named.

mod bare;
mod cases;
mod paired;
mod pictures;
mod process;
#[path = "../tests/harness/s3.rs"]
mod s3_server;
mod score;
mod service;

use std::process::ExitCode;

use cases::CASES;
use paired::say;

// The program's own allocator, so that both sides of a comparison in this process have what the server has.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    if s3_server::serve_if_asked() {
        return ExitCode::SUCCESS;
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.as_slice() {
        [first, body] if first == service::BARE => {
            service::bare::serve(body.as_ref());
            return ExitCode::SUCCESS;
        }
        [first, program, arguments @ ..] if first == process::MEASURE => {
            process::measure(program, arguments);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    if let Some(unknown) = words.iter().find(|word| !CASES.iter().any(|(name, _)| name == word)) {
        let names = CASES.map(|(name, _)| name).join(", ");
        say(&format!("there is no benchmark {unknown:?}; there are: {names}"));
        return ExitCode::FAILURE;
    }
    for (name, run) in CASES {
        if words.is_empty() || words.iter().any(|word| word == name) {
            run();
        }
    }
    ExitCode::SUCCESS
}

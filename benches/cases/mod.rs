//! One file for each question.

mod ask;
mod distinct;
mod hit;
mod memory;
mod parse;
mod render;
mod s3;
mod stampede;
mod thumbnail;

/// All benchmarks by name, in the order in which they run.
pub(crate) const CASES: [(&str, fn()); 9] = [
    ("parse", parse::run),
    ("ask", ask::run),
    ("hit", hit::run),
    ("render", render::run),
    ("distinct", distinct::run),
    ("stampede", stampede::run),
    ("memory", memory::run),
    ("s3", s3::run),
    ("thumbnail", thumbnail::run),
];

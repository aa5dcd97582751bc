//! The `mortar` program.

fn main() {}

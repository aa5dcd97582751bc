//! The program `mortar-load`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mortar_load::main(std::env::args_os())
}

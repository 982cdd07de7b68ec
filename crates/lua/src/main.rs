//! The `spanheap-lua` command: see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    spanheap_lua::cli::main(std::env::args_os().skip(1).collect())
}

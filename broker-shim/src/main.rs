//! The `corrente` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    broker_shim::cli::run()
}

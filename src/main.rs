//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    buildreach::cli::run()
}

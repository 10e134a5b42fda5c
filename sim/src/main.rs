//! `handoff-sim`: runs the simulator, and does again, shrinks and draws what it found.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}

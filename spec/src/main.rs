//! `handoff-spec`: checks the handoff protocol, and shows what it found.

mod cli;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}

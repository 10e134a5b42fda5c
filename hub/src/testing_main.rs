//! The hub with a clock that tests set: `serve --test-clock MILLIS`, then `PUT /testing/clock {"now": MILLIS}`; and, with
//! `serve --law NAME`, with a fault. Everything else is as it ships; this binary does not.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use handoff_hub::cli::{self, FsckOptions, LogCommand, ServeOptions, TokenCommand};
use handoff_hub::clock::TestClock;
use handoff_kernel::testing::variant::Variant;
use handoff_kernel::time::Time;

/// The hub, for tests
#[derive(Debug, Parser)]
#[command(name = "handoff-hub-testing", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub, if need be on a clock of the test's own
    Serve(TestingOptions),
    /// Add, list and revoke tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look through a data directory, say what is wrong with it, and mend it if asked to
    Fsck(FsckOptions),
    /// Verify the event log
    #[command(subcommand)]
    Log(LogCommand),
}

#[derive(Debug, Args)]
struct TestingOptions {
    #[command(flatten)]
    serve: ServeOptions,
    /// A clock that stands at this many milliseconds since 1970, until PUT /testing/clock sets it
    #[arg(long, value_name = "MILLIS")]
    test_clock: Option<u64>,
    /// A law other than the protocol, such as `expires_at_deadline`: a fault, or several with `+` between them
    #[arg(long, value_name = "NAME", value_parser = cli::law)]
    law: Option<Variant>,
    /// Sweep nothing: every answer is the same, and files stay where they are until somebody asks
    #[arg(long)]
    no_janitor: bool,
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Serve(options) => {
            let clock = options.test_clock.map(|now| TestClock::at(Time(now)));
            cli::serve_for_tests(&options.serve, options.law, clock, !options.no_janitor)
        }
        Command::Token(command) => cli::token(command),
        Command::Fsck(options) => cli::fsck(&options),
        Command::Log(command) => cli::log(command),
    }
}

//! The hub's command line, as it ships. What it does is `handoff_hub::cli`'s to say.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use handoff_hub::cli::{self, DemoOptions, FsckOptions, LogCommand, ServeOptions, TokenCommand};

/// Carries handoffs from one agent to another.
#[derive(Debug, Parser)]
#[command(name = "handoff-hub", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub on a data directory until SIGINT or SIGTERM
    Serve(ServeOptions),
    /// Add, list and revoke the tokens by which agents show who they are
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look through a data directory, say what is wrong with it, and mend it if asked to
    Fsck(FsckOptions),
    /// Verify the event log
    #[command(subcommand)]
    Log(LogCommand),
    /// See the whole protocol at work, on a temporary directory and a free port
    Demo(DemoOptions),
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Serve(options) => cli::serve(&options),
        Command::Token(command) => cli::token(command),
        Command::Fsck(options) => cli::fsck(&options),
        Command::Log(command) => cli::log(command),
        Command::Demo(options) => cli::demo(&options),
    }
}

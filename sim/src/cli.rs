//! The command line: what can be asked, and what the exit code says.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::{Parser, Subcommand};
use handoff_kernel::law::PROTOCOL;
use handoff_kernel::testing::variant::Variant;
use handoff_sim::swarm::Profile;
use handoff_spec::ambient::Stopwatch;

mod conform;
mod coverage;
mod mutants;
mod run;
mod trace;

/// Everything holds.
pub(crate) const HOLDS: u8 = 0;
/// A rule is broken, or what must be found is not.
pub(crate) const BROKEN: u8 = 1;
/// The command line, or a file that it names, is not right.
pub(crate) const USAGE: u8 = 2;
/// A run ended before it was done.
pub(crate) const TRUNCATED: u8 = 3;

/// Runs the relay and the store that ship in a world where everything goes wrong; one seed makes the whole of a run.
///
/// Exit codes: 0 all hold, 1 a rule is broken (or what must be found is not), 2 usage, 3 a run was cut off.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one seed and say what came of it, or many and say which break a rule
    Run(run::Args),
    /// Do again what a trace tells, act by act, and say whether the same comes of it
    Replay(trace::Replay),
    /// Leave out of a trace that breaks a rule all that is not needed to break it
    Shrink(trace::Shrink),
    /// Print a trace of the simulator for a person, or draw it
    Draw(trace::Draw),
    /// Say how much of what the models of hubs can show the runs of each profile have shown
    Coverage(coverage::Args),
    /// Run every seeded fault of the law, and every slip of the store, until a seed finds it
    Mutants(mutants::Args),
    /// Play traces on a real hub, and look for an order of what its clients heard
    Conform(conform::Args),
}

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to where output goes.
            let code = if error.use_stderr() { USAGE } else { HOLDS };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => trace::replay(&args),
        Command::Shrink(args) => trace::shrink(&args),
        Command::Draw(args) => trace::draw(&args),
        Command::Coverage(args) => coverage::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Conform(args) => conform::run(&args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("handoff-sim: {why}");
            ExitCode::from(USAGE)
        }
    }
}

/// `1 seed`, `2 seeds`.
fn counted(count: impl Into<u64>, what: &str) -> String {
    let count = count.into();
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Prints to standard output. Whoever has closed it has read enough.
fn print(text: &str) -> Result<(), String> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A [`Profile`] as an argument.
fn profile(name: &str) -> Result<Profile, String> {
    Profile::named(name).ok_or_else(|| {
        let names = Profile::ALL.map(Profile::name).join(", ");
        format!("there is no such profile; there are {names}")
    })
}

/// A law as an argument.
fn law(name: &str) -> Result<Variant, String> {
    handoff_spec::replay::law(name).map_err(|why| {
        format!("{why}; there is {PROTOCOL:?}, and each fault that `handoff-spec mutants` names")
    })
}

/// On so many threads, if nobody says.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Says on standard error how far something is: a terminal every second, whoever asks for it every ten.
#[derive(Debug)]
struct Progress {
    every: Option<Duration>,
    watch: Stopwatch,
    said: Mutex<Duration>,
}

impl Progress {
    fn new(asked: bool) -> Self {
        let seconds = if io::stderr().is_terminal() { Some(1) } else { asked.then_some(10) };
        let every = seconds.map(Duration::from_secs);
        Self { every, watch: Stopwatch::start(), said: Mutex::default() }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        let (Some(every), Ok(mut said)) = (self.every, self.said.lock()) else { return };
        let now = self.watch.elapsed();
        if now.saturating_sub(*said) >= every {
            *said = now;
            eprintln!("{:>5} s: {}", now.as_secs(), what());
        }
    }

    fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }
}

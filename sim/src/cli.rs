//! The command line: what can be asked, and what the exit code says.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::{Parser, Subcommand};
use handoff_kernel::law::PROTOCOL;
use handoff_kernel::testing::variant::Variant;
use handoff_sim::mutants::{Mutant, Tried};
use handoff_sim::report::counted;
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
        let faults = Mutant::all().into_iter().filter(|mutant| matches!(mutant, Mutant::Law(_)));
        format!("{why}; there are {}", names(faults))
    })
}

/// A law, or a slip of the store, as an argument.
fn tried(name: &str) -> Result<Tried, String> {
    Tried::named(name).ok_or_else(|| {
        format!(
            "there is no law and no slip of the store {name:?}; there are {}",
            names(Mutant::all().into_iter())
        )
    })
}

/// The protocol, and these.
fn names(mutants: impl Iterator<Item = Mutant>) -> String {
    let names: Vec<String> = std::iter::once(PROTOCOL.to_owned()).chain(mutants.map(Mutant::name)).collect();
    names.join(", ")
}

/// How many threads, as an argument: more than this only wait for each other.
fn thread_count() -> impl clap::builder::TypedValueParser<Value = u16> {
    clap::value_parser!(u16).range(1..=256)
}

/// On so many threads; if nobody says, on as many as can run at once.
fn threads(asked: Option<u16>) -> usize {
    asked.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
}

/// The exit code, when all is said that there is to say: that something could not be written weighs less than a rule
/// that is broken, and is said all the same.
fn ended(code: u8, written: Result<(), String>) -> Result<u8, String> {
    match written {
        Err(why) if code == BROKEN => {
            eprintln!("handoff-sim: {why}");
            Ok(code)
        }
        Ok(()) | Err(_) => written.map(|()| code),
    }
}

/// Whether a directory can be written to, which is made if it is missing: better asked before hours of work than after.
fn writable_directory(out: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot write into {}: {error}", out.display());
    fs::create_dir_all(out).map_err(failed)?;
    // What is made here is gone at once.
    tempfile::tempfile_in(out).map(drop).map_err(failed)
}

/// Whether a file can be written. What is there already stays there, and nothing stays where nothing was.
fn writable_file(file: &Path) -> Result<(), String> {
    let is_new = !file.exists();
    let opened = fs::OpenOptions::new().append(true).create(true).open(file);
    let done = if is_new && opened.is_ok() { fs::remove_file(file) } else { Ok(()) };
    opened.map(drop).and(done).map_err(|error| format!("cannot write {}: {error}", file.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_something_can_be_written_is_found_out_without_writing() {
        let directory = tempfile::tempdir().unwrap();
        let (file, new, deep) =
            (directory.path().join("file"), directory.path().join("new"), directory.path().join("a/b"));
        fs::write(&file, "kept").unwrap();
        assert_eq!(writable_file(&file), Ok(()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        assert_eq!((writable_file(&new), new.exists()), (Ok(()), false));
        assert_eq!(writable_directory(&deep), Ok(()));
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
        for why in
            [writable_file(directory.path()), writable_file(&file.join("x")), writable_directory(&file)]
        {
            assert!(why.as_ref().is_err_and(|why| why.starts_with("cannot write")), "{why:?}");
        }
    }
}

//! The command line: what can be asked, and what the exit code says.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use handoff_kernel::law::Protocol;
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::table::render;
use handoff_spec::check::Measured;
use handoff_spec::follow::follow_named;
use handoff_spec::generate::{DOCUMENTS, Sources};
use handoff_spec::hubs::{self, Config, Hubs};
use handoff_spec::picture::Diagram;
use handoff_spec::profile::Profile;
use handoff_spec::replay::replay;
use handoff_spec::second;
use handoff_spec::trace::Trace;

use crate::run::{self, Format, Plan};

mod coverage;
mod mutants;
mod validate;
mod variant;

/// Everything holds.
pub(crate) const HOLDS: u8 = 0;
/// A rule is broken, or what must fail does not.
pub(crate) const BROKEN: u8 = 1;
/// The command line, or a file that it names, is not right.
pub(crate) const USAGE: u8 = 2;
/// A run ended before it was done.
pub(crate) const TRUNCATED: u8 = 3;

/// Checks the handoff protocol: the proof of its step, the models of its hubs, and what each assumption is for.
///
/// Exit codes: 0 all hold, 1 a rule is broken (or what must fail does not), 2 usage, 3 a run was cut off.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the checks of a profile, and say of each rule whether it holds
    Check(Check),
    /// Serve stateright's Explorer of one model on loopback, to walk through it with a browser
    Explore {
        /// The configuration, as `hubs/race` or `race`; `--list` names them
        #[arg(default_value = "hubs/life")]
        configuration: String,
        /// Name the configurations, and serve nothing
        #[arg(long)]
        list: bool,
        /// The port on 127.0.0.1
        #[arg(long, default_value_t = 3000)]
        port: u16,
    },
    /// Print what is claimed of each rule, and by what: the table of `spec/README.md`
    Claims {
        /// Write every generated part of the documents in this directory anew
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
    /// Run every seeded fault of the law, and say which rules catch it, and of each rule whether it is needed
    Mutants(mutants::Args),
    /// Check your own variant of the protocol: what breaks, the shortest way there and its picture, or that all holds
    Variant(variant::Args),
    /// Say how much can happen to one handoff in the models of hubs: what a simulator's runs are held against
    Coverage(coverage::Args),
    /// Print the transition table, from the kernel's own `step`: `spec/TABLE.md`
    Table,
    /// Print a trace for a person and live it through again on the kernel, or draw it
    Trace {
        /// An NDJSON file, of `spec/traces/` or of `check --out`
        file: PathBuf,
        /// As text for a person, or as a sequence diagram; a diagram is drawn of any trace, lived through or not
        #[arg(long, value_enum, default_value_t = Shape::Text)]
        format: Shape,
    },
    /// Say whether what a hub has written into its event log is a behaviour of the protocol, or the first line that is not
    ValidateLog(validate::Args),
}

#[derive(Debug, clap::Args)]
struct Check {
    /// How much: quick while one works, ci before anything lands, deep when there is time
    #[arg(long, value_enum, default_value_t = ProfileArg::Quick)]
    profile: ProfileArg,
    /// Only the checks that speak of this rule: S1 to S16, L1 to L3
    #[arg(long, value_name = "ID", value_parser = rule)]
    rule: Option<Rule>,
    /// Only the check of this id, as `hubs/race`, or all those below it, as `hubs/`
    #[arg(long, value_name = "ID")]
    only: Option<String>,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print every trace under its check, and not only the shortest of each rule at the end
    #[arg(long)]
    verbose: bool,
    /// Write every trace (NDJSON) and picture, and the report as JSON, JUnit XML and SARIF, into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take states for one that differ only in the order of the hubs; there is no second opinion then
    #[arg(long)]
    symmetry: bool,
    /// Leave out the second opinion, stateright's; the deep profile does without it anyway
    #[arg(long)]
    alone: bool,
    /// Cut off each model that has more unique states than this; of what it was about to look at nothing is claimed,
    /// and the exit code is 3. A few more are found by the step that goes beyond. There is no second opinion then
    #[arg(long, value_name = "N")]
    max_states: Option<u64>,
    /// When all holds, write the figures of this profile, or of the one check, into this file (spec/measured.json)
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Say on standard error how far a long check is, at most every 10 seconds; a terminal is told every second anyway
    #[arg(long)]
    progress: bool,
}

/// How a trace is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Line by line
    Text,
    /// A picture
    Svg,
    /// Mermaid's text of the picture, for a document that draws it itself
    Mermaid,
}

/// [`Profile`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProfileArg {
    Quick,
    Ci,
    Deep,
}

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Quick => Self::Quick,
            ProfileArg::Ci => Self::Ci,
            ProfileArg::Deep => Self::Deep,
        }
    }
}

fn rule(name: &str) -> Result<Rule, String> {
    let all = Rule::ALL.into_iter();
    all.clone().find(|rule| format!("{rule:?}").eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<_> = all.map(|rule| format!("{rule:?}")).collect();
        format!("there is no such rule; there are {}", names.join(", "))
    })
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
        Command::Check(check) => self::check(check),
        Command::Explore { configuration, list, port } => explore(&configuration, list, port),
        Command::Claims { write: None } => claims(),
        Command::Claims { write: Some(directory) } => write(&directory),
        Command::Table => print(&render(&Protocol)).map(|()| HOLDS),
        Command::Mutants(args) => mutants::run(&args),
        Command::Variant(args) => variant::run(&args),
        Command::Coverage(args) => coverage::run(&args),
        Command::Trace { file, format } => trace(&file, format),
        Command::ValidateLog(args) => validate::run(&args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("handoff-spec: {why}");
            ExitCode::from(USAGE)
        }
    }
}

/// `1 step`, `2 steps`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Prints to standard output. Whoever has closed it has read enough.
pub(crate) fn print(text: &str) -> Result<(), String> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn check(check: Check) -> Result<u8, String> {
    let partial = check.rule.is_some() || check.symmetry || check.alone || check.max_states.is_some();
    if check.record.is_some() && partial {
        return Err(
            "--record needs whole checks: leave out --rule, --symmetry, --alone and --max-states".into()
        );
    }
    run::run(&Plan {
        profile: check.profile.into(),
        rule: check.rule,
        only: check.only,
        format: check.format,
        verbose: check.verbose,
        out: check.out,
        symmetry: check.symmetry,
        second: !check.alone,
        max_states: check.max_states,
        record: check.record,
        progress: if io::stderr().is_terminal() { Some(1) } else { check.progress.then_some(10) },
    })
}

fn explore(configuration: &str, list: bool, port: u16) -> Result<u8, String> {
    let all = hubs::configurations(Profile::Quick);
    if list {
        let lines: Vec<_> = all.iter().map(|(id, config)| format!("{id:<36} {}\n", config.says)).collect();
        return print(&lines.concat()).map(|()| HOLDS);
    }
    let named = |(id, config): &(String, Config)| id == configuration || config.name == configuration;
    let (id, config) = all.into_iter().find(named).ok_or_else(|| {
        format!("there is no configuration {configuration:?}; `handoff-spec explore --list` names them")
    })?;
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    // The Explorer panics on a port that is taken: this says it better.
    drop(
        std::net::TcpListener::bind(address)
            .map_err(|error| format!("cannot listen on {address}: {error}; name another port with --port"))?,
    );
    print(&format!("{id}: {}\nhttp://{address}/ (end with ^C)\n", config.says))?;
    second::serve(Hubs { law: Protocol, config }, address);
    Ok(HOLDS)
}

fn claims() -> Result<u8, String> {
    let sources = Sources { measured: Measured::committed(), traces: Vec::new() };
    print(&sources.claims()).map(|()| HOLDS)
}

/// Writes the generated parts anew, and says which documents changed.
fn write(spec: &Path) -> Result<u8, String> {
    if !spec.join("traces").is_dir() {
        let what = if spec.is_dir() { "has no traces/" } else { "is no directory" };
        return Err(format!(
            "--write {} {what}: name the directory spec/ of a checkout, where the documents and traces/ are",
            spec.display()
        ));
    }
    let sources = Sources::read(spec)?;
    for name in DOCUMENTS {
        let file = spec.join(name);
        let failed = |error: &dyn core::fmt::Display| format!("{}: {error}", file.display());
        let old = fs::read_to_string(&file).map_err(|error| failed(&error))?;
        let new = sources.document(&old).map_err(|error| failed(&error))?;
        if new != old {
            fs::write(&file, new).map_err(|error| failed(&error))?;
            print(&format!("written anew: {}\n", file.display()))?;
        }
    }
    Ok(HOLDS)
}

fn trace(file: &PathBuf, shape: Shape) -> Result<u8, String> {
    let text =
        fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let trace = Trace::parse(&text).map_err(|error| format!("{} is no trace: {error}", file.display()))?;
    match shape {
        Shape::Text => print(&trace.to_string())?,
        Shape::Svg => return print(&Diagram::of(&trace).to_svg()).map(|()| HOLDS),
        Shape::Mermaid => return print(&Diagram::of(&trace).to_mermaid()).map(|()| HOLDS),
    }
    if let Err(why) = replay(&trace) {
        print(&format!("lived through again by the kernel: NOT as told: {why}\n"))?;
        return Ok(BROKEN);
    }
    print("lived through again by the kernel: as told\n")?;
    match follow_named(&trace) {
        Ok(true) => print("walked through its model again: a way of it, which shows what it says\n").map(|()| HOLDS),
        Ok(false) => print(
            "not walked through its model again: no configuration of `check` has this name. `variant` and `mutants` walk \
             through a model of their own when they find a way\n",
        )
        .map(|()| HOLDS),
        Err(why) => print(&format!("walked through its model again: NOT so: {why}\n")).map(|()| BROKEN),
    }
}

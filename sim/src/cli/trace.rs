//! `replay`, `shrink` and `draw`: what is done with the trace of a run.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use handoff_kernel::testing::variant::Variant;
use handoff_sim::cast::Cast;
use handoff_sim::conform::SIMULATOR;
use handoff_sim::plan::Plan;
use handoff_sim::{picture, replay, shrink};
use handoff_spec::picture::Diagram;
use handoff_spec::trace::{Header, Trace};

use super::{BROKEN, HOLDS, Progress, TRUNCATED, counted, law, print, writable_file};

#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    /// An NDJSON file, of `run --out` or of `shrink --out`
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct Shrink {
    /// An NDJSON file, of `run --out`
    file: PathBuf,
    /// Write the trace that is left into this file; otherwise it is printed for a person
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Try no more plans than this; what is left then may be more than needed, and the exit code is 3
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    tries: u64,
    /// Say on standard error how far it is, at most every 10 seconds; a terminal is told every second anyway
    #[arg(long)]
    progress: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Draw {
    /// An NDJSON file
    file: PathBuf,
    /// As text for a person, or as a sequence diagram
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
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

pub(super) fn read(file: &Path) -> Result<Trace, String> {
    let text =
        fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Trace::parse(&text).map_err(|error| format!("{} is no trace: {error}", file.display()))
}

/// What is done in it, and under which law.
fn planned(file: &Path, trace: &Trace) -> Result<(Plan, Variant), String> {
    let plan = Plan::read(trace, &Cast::default());
    let plan = plan.and_then(|plan| law(&plan.law).map(|law| (plan, law)));
    let file = file.display();
    plan.map_err(|why| match trace.header.model.as_str() {
        SIMULATOR => format!("{file} is no trace: {why}"),
        _ => format!("{file}: {why}"),
    })
}

/// The same trace, and as much broken, is what is expected: a trace is of one version of the program.
pub(super) fn replay(args: &Replay) -> Result<u8, String> {
    let trace = read(&args.file)?;
    let (plan, law) = planned(&args.file, &trace)?;
    let outcome = replay::replay(&plan, &law, true);
    // A trace's name is that of its file, and nothing that happened.
    let name = &trace.header.name;
    let named = |again: Trace| Trace { header: Header { name: name.clone(), ..again.header }, ..again };
    let again = outcome.trace.map(|again| named(again).to_ndjson()).unwrap_or_default();
    let told = trace.to_ndjson();
    let what = outcome.breach.map_or_else(|| "no rule is broken".to_owned(), |breach| breach.to_string());
    print(&format!("{}: {what}\n", counted(plan.acts.len() as u64, "act")))?;
    let differ = told.lines().zip(again.lines()).zip(1..).find(|((told, again), _)| told != again);
    match differ {
        Some(((told, again), line)) => print(&format!(
            "NOT as told; first in line {line}:\n  told  {told}\n  now   {again}\nAnother version of the program has \
             written it, or something is not determined by the seed.\n"
        ))
        .map(|()| BROKEN),
        None if told != again => print(&format!(
            "NOT as told: {} told, and now {}\n",
            counted(told.lines().count() as u64, "line"),
            counted(again.lines().count() as u64, "line")
        ))
        .map(|()| BROKEN),
        None => {
            print("done again: as told, to the byte\n")?;
            Ok(if outcome.breach.is_some() { BROKEN } else { HOLDS })
        }
    }
}

pub(super) fn shrink(args: &Shrink) -> Result<u8, String> {
    let trace = read(&args.file)?;
    let (plan, law) = planned(&args.file, &trace)?;
    args.out.as_deref().map_or(Ok(()), writable_file)?;
    let progress = Progress::new(args.progress);
    let shrunk = shrink::shrink(&plan, &law, args.tries, |now| {
        progress.say(|| format!("{} left, {} tried", counted(now.acts as u64, "act"), now.tries));
    })
    .map_err(|why| format!("{}: {why}", args.file.display()))?;
    let small = shrunk.trace().ok_or("nothing was written down of what is left: a bug")?;
    let (before, after) = (plan.acts.len(), shrunk.plan.acts.len());
    let breach = shrunk.outcome.breach.map_or_else(String::new, |breach| breach.to_string());
    match &args.out {
        None => print(&small.to_string())?,
        Some(file) => fs::write(file, small.to_ndjson())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?,
    }
    print(&format!(
        "{breach}\n{} of {before} left, {} tried\n",
        counted(after as u64, "act"),
        counted(shrunk.tries, "plan")
    ))?;
    if shrunk.is_minimal {
        print("none of them can be left out\n").map(|()| HOLDS)
    } else {
        print("cut off: raise --tries to leave out more\n").map(|()| TRUNCATED)
    }
}

pub(super) fn draw(args: &Draw) -> Result<u8, String> {
    let trace = read(&args.file)?;
    if trace.header.model == SIMULATOR {
        // What nobody can do again nobody is shown as something that was done.
        planned(&args.file, &trace)?;
    }
    match args.format {
        Shape::Text => print(&picture::readable(&trace).to_string()),
        Shape::Svg => print(&Diagram::of(&picture::drawable(&trace)).to_svg()),
        Shape::Mermaid => print(&Diagram::of(&picture::drawable(&trace)).to_mermaid()),
    }
    .map(|()| HOLDS)
}

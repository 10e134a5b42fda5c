//! `handoff-spec variant`: a designer's own variant, tried in every world.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use handoff_kernel::law::Law as _;
use handoff_spec::ambient::Stopwatch;
use handoff_spec::bench::variant::{Broken, Plan, Tried, all_worlds};
use handoff_spec::explorer::Progress;
use handoff_spec::trace::Trace;
use serde::Serialize;

use super::{BROKEN, HOLDS, TRUNCATED, counted, print};
use crate::run::{make_directory, write_trace};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The variant, as TOML; `spec/variants/` has examples, and its README the format
    #[arg(value_name = "FILE.toml", required_unless_present = "list")]
    file: Option<PathBuf>,
    /// Name the worlds in which a variant can be tried, and try nothing
    #[arg(long)]
    list: bool,
    /// Where the shortest way to a broken rule (NDJSON) and its picture (SVG and Mermaid) go
    #[arg(long, value_name = "DIR", default_value = "target/variants")]
    out: PathBuf,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 0 if at least that breaks which the file says by `breaks`, or nothing if it says nothing; with 1 otherwise
    #[arg(long)]
    as_expected: bool,
    /// Cut off each world that has more unique states than this; the exit code is 3 then
    #[arg(long, value_name = "N", default_value_t = 3_000_000)]
    max_states: u64,
}

/// For whom it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one JSON object
    Json,
}

pub(super) fn run(args: &Args) -> Result<u8, String> {
    let file = match &args.file {
        Some(file) if !args.list => file,
        Some(_) | None => {
            let worlds = all_worlds().into_iter();
            return print(
                &worlds.map(|(id, config)| format!("{id:<28} {}\n", config.says)).collect::<String>(),
            )
            .map(|()| HOLDS);
        }
    };
    let plan = read(file)?;
    let stopwatch = Stopwatch::start();
    let mut told = 0;
    let mut watch = |progress: &Progress| {
        let seconds = stopwatch.elapsed().as_secs();
        if io::stderr().is_terminal() && seconds > told {
            told = seconds;
            let Progress { states, depth, frontier, .. } = progress;
            eprintln!("... {seconds} s: {states} states of this world, depth {depth}, frontier {frontier}");
        }
    };
    let tried = plan.run(args.max_states, &mut watch);
    let seconds = stopwatch.elapsed().as_secs_f64();
    let files = written(&args.out, &plan, &tried)?;
    match args.format {
        Format::Text => print(&text(&plan, &tried, seconds, files.as_deref(), args.max_states))?,
        Format::Json => print(&(json(&plan, &tried, seconds, files)? + "\n"))?,
    }
    Ok(if args.as_expected {
        if tried.is_as_expected(&plan) { HOLDS } else { BROKEN }
    } else if !tried.broken.is_empty() {
        BROKEN
    } else if !tried.cut_off.is_empty() {
        TRUNCATED
    } else {
        HOLDS
    })
}

fn read(file: &Path) -> Result<Plan, String> {
    let text =
        fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let name = file.file_stem().map_or_else(|| "variant".into(), |stem| stem.to_string_lossy());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.chars().all(plain) {
        return Err(format!(
            "{}: call it by letters, digits, '-', '_' and '.': traces are called after it",
            file.display()
        ));
    }
    Plan::parse(&name, &text).map_err(|why| format!("{} is no variant: {why}", file.display()))
}

/// Writes the way to what is broken, and says where its picture is.
fn written(out: &Path, plan: &Plan, tried: &Tried) -> Result<Option<String>, String> {
    let Some((trace, _)) = shown(tried, plan) else { return Ok(None) };
    make_directory(out)?;
    write_trace(out, &trace)?;
    Ok(Some(out.join(&plan.name).display().to_string()))
}

/// The way that is shown. It is called after the variant, and says what is different and what comes of it.
fn shown<'t>(tried: &'t Tried, plan: &Plan) -> Option<(Trace, &'t Broken)> {
    let broken = tried.shown(plan)?;
    let mut trace = broken.finding.trace.clone()?;
    trace.header.name.clone_from(&plan.name);
    trace.header.says = format!("What if? {} Then {}.", plan.says, broken.finding.how);
    Some((trace, broken))
}

fn text(plan: &Plan, tried: &Tried, seconds: f64, files: Option<&str>, most: u64) -> String {
    let mut out = format!("{}: {}\nlaw: {}\n", plan.name, plan.says, plan.law.name());
    if !plan.given_up.is_empty() {
        out += &format!("given up: {}\n", plan.given_up.join(", "));
    }
    if !plan.differs {
        out += "nothing of law or worlds is different: this is the protocol\n";
    }
    let Tried { worlds, reached, cut_off, unmade, .. } = tried;
    let induction = if plan.whole { ", a bootstrap, and by induction" } else { "" };
    let looked = format!(
        "{}{induction}, {} states, {} edges, {seconds:.1} s\n",
        counted(*worlds, "world"),
        reached.states,
        reached.edges
    );
    if let Some((trace, broken)) = shown(tried, plan) {
        out += &format!("\nbroken: {}\n\n", said(broken));
        out += &trace.to_string().lines().map(|line| format!("  {line}\n")).collect::<String>();
        if let Some(files) = files {
            out += &format!("\npicture: {files}.svg (and .mmd for Mermaid; the trace is {files}.ndjson)\n");
        }
        let mut others = tried.broken.iter().filter(|other| other.property != broken.property).peekable();
        let more = others.peek().is_some();
        for broken in others {
            out += &format!("also broken: {}\n", said(broken));
        }
        if more {
            out += "to see the way to another, put it first in `breaks`\n";
        }
    } else if cut_off.is_empty() {
        out += "\nholds: every rule that is asked for\n";
    }
    let unbroken: Vec<_> = tried.unbroken(plan).map(|property| property.id()).collect();
    if !unbroken.is_empty() {
        out += &format!("should break and does not: {}\n", unbroken.join(", "));
    }
    for world in cut_off {
        out += &format!(
            "cut off: {world} has more states than the {most} of --max-states; raise that, or make it smaller\n"
        );
    }
    for what in unmade {
        out += &format!("not asked: {what}\n");
    }
    out + "looked at: " + &looked
}

fn said(broken: &Broken) -> String {
    let steps = broken.finding.trace.as_ref().map_or(0, Trace::steps);
    let Broken { property, world, finding } = broken;
    format!("{property}: {}, in {}, in {world}", finding.how, counted(steps as usize, "step"))
}

#[derive(Serialize)]
struct Json<'t> {
    variant: &'t str,
    says: &'t str,
    law: String,
    given_up: &'t [String],
    result: &'static str,
    as_expected: bool,
    broken: Vec<JsonBroken<'t>>,
    cut_off: &'t [String],
    not_asked: &'t [String],
    worlds: usize,
    states: u64,
    edges: u64,
    seconds: f64,
    /// The path of the shortest trace and of its pictures, but for the ending.
    files: Option<String>,
}

#[derive(Serialize)]
struct JsonBroken<'t> {
    property: String,
    how: &'t str,
    world: &'t str,
    steps: u32,
}

fn json(plan: &Plan, tried: &Tried, seconds: f64, files: Option<String>) -> Result<String, String> {
    let broken = tried.broken.iter().map(|broken| JsonBroken {
        property: broken.property.id(),
        how: &broken.finding.how,
        world: &broken.world,
        steps: broken.finding.trace.as_ref().map_or(0, Trace::steps),
    });
    let result = match (tried.broken.is_empty(), tried.cut_off.is_empty()) {
        (false, _) => "broken",
        (true, false) => "truncated",
        (true, true) => "holds",
    };
    let json = Json {
        variant: &plan.name,
        says: &plan.says,
        law: plan.law.name(),
        given_up: &plan.given_up,
        result,
        as_expected: tried.is_as_expected(plan),
        broken: broken.collect(),
        cut_off: &tried.cut_off,
        not_asked: &tried.unmade,
        worlds: tried.worlds,
        states: tried.reached.states,
        edges: tried.reached.edges,
        seconds,
        files,
    };
    serde_json::to_string_pretty(&json).map_err(|error| error.to_string())
}

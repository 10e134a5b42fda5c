//! `run`: one seed, or many.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_kernel::law::{Law as _, PROTOCOL};
use handoff_kernel::testing::variant::Variant;
use handoff_sim::batch::{self, Plan, Report};
use handoff_sim::live;
use handoff_sim::report;
use handoff_sim::run::Outcome;
use handoff_sim::swarm::{Profile, Swarm};
use handoff_spec::coverage::Truth;
use handoff_spec::profile;
use handoff_spec::trace::Trace;

use super::{BROKEN, HOLDS, Progress, TRUNCATED, counted, law, print, profile as profile_named, threads};

/// So many runs of the profile `swarm` reach every case of the catalogue, or something is wrong with the simulator.
const REACH_ALL: u64 = 5_000;

/// So much of a trace is printed when nobody wants it in a file.
const TAIL: usize = 24;

/// Of so many broken seeds the traces are written; of more, only the seeds are named.
const MOST_TRACES: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The first seed: the whole of its run comes of it
    #[arg(long)]
    seed: u64,
    /// How many seeds from there on; 1, or as many as there is time for with --minutes
    #[arg(long, value_name = "K")]
    runs: Option<u64>,
    /// End after so long; a batch of --runs that is not done by then is cut off, and the exit code is 3
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
    /// Which worlds are drawn: swarm, directory, several, races or calm
    #[arg(long, default_value = "swarm", value_parser = profile_named)]
    profile: Profile,
    /// On so many threads; what comes out is the same whatever their number
    #[arg(long, value_name = "T")]
    threads: Option<usize>,
    /// The law that the hubs decide by: a fault shows what a batch would find
    #[arg(long, default_value = PROTOCOL, value_name = "NAME", value_parser = law)]
    law: Variant,
    /// Write the outcome as JUnit XML into this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the trace of every seed that breaks a rule (NDJSON) into this directory; of a single seed in any case
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print how often each case of the catalogue was reached
    #[arg(long)]
    catalogue: bool,
    /// Print the steps of the models' ci profile that no run has shown
    #[arg(long)]
    coverage: bool,
    /// Print one SHA-256 of the traces of all these seeds: the same on any machine, in any build, on any number of threads
    #[arg(long)]
    digest: bool,
    /// Say on standard error how far it is, at most every 10 seconds; a terminal is told every second anyway
    #[arg(long)]
    progress: bool,
}

impl Args {
    /// What does this seed again.
    fn line(&self, seed: u64) -> String {
        let law = self.law.name();
        let law = if law == PROTOCOL { String::new() } else { format!(" --law {law}") };
        format!("handoff-sim run --seed {seed} --profile {}{law}", self.profile.name())
    }

    fn again(&self, seed: u64) -> Outcome {
        live::run(&self.law, &Swarm::draw(seed, self.profile), true)
    }
}

pub(super) fn run(args: &Args) -> Result<u8, String> {
    if let Some(out) = &args.out {
        fs::create_dir_all(out).map_err(|error| format!("cannot make {}: {error}", out.display()))?;
    }
    let runs = args.runs.unwrap_or(if args.minutes.is_some() { u64::MAX } else { 1 });
    if runs == 0 {
        return Err("--runs 0 claims nothing: name 1 or more".into());
    }
    if runs == 1 {
        print(&format!("{}\n", Swarm::draw(args.seed, args.profile)))?;
    }
    let progress = Progress::new(args.progress);
    let in_time = || args.minutes.is_none_or(|minutes| progress.elapsed().as_secs() < minutes * 60);
    let threads = args.threads.unwrap_or_else(threads);
    let plan = Plan { seed: args.seed, runs, profile: args.profile, threads, digests: args.digest };
    let report = batch::run(&args.law, &plan, |done| {
        progress.say(|| counted(done, "run"));
        in_time()
    });
    let seconds = progress.elapsed().as_secs_f64();
    let truth = Truth::committed().map_err(|error| error.to_string())?;
    let missing = missing(args.profile, &report);
    print(&summary(&report, &truth, seconds, runs == 1))?;
    if let Some(digest) = report.digest() {
        print(&format!("traces: {digest}\n"))?;
    }
    if args.catalogue {
        print(&catalogue(&report))?;
    }
    if args.coverage {
        let unseen = truth.missing(profile::Profile::Ci, &report.coverage);
        print(&unseen.iter().map(|edge| format!("never: {edge}\n")).collect::<String>())?;
    }
    if runs == 1
        && let Some(out) = &args.out
    {
        let trace = args.again(args.seed).trace;
        print(&trace.map_or_else(|| Ok(String::new()), |trace| write(out, args.seed, &trace))?)?;
    }
    print(&broken(args, &report)?)?;
    if let Some(file) = &args.junit {
        let lines = |seed| args.line(seed);
        let document = report::junit(&args.line(args.seed), &report, &missing, seconds, &lines);
        fs::write(file, document).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    let cut_off = args.runs.is_some_and(|runs| report.runs < runs);
    verdict(&report, &missing, cut_off)
}

/// What a batch of so many has to have reached, and has not.
fn missing(profile: Profile, report: &Report) -> Vec<String> {
    let enough = profile == Profile::Swarm && report.runs >= REACH_ALL;
    let missing = if enough { report.missing() } else { Vec::new() };
    missing.into_iter().map(|(world, case)| format!("{world}: {case}")).collect()
}

fn verdict(report: &Report, missing: &[String], cut_off: bool) -> Result<u8, String> {
    let (text, code) = if report.coverage.strays > 0 {
        ("the simulator told of operations that there are not: see above, and mend it\n".to_owned(), BROKEN)
    } else if !report.broken.is_empty() {
        (format!("{} a rule\n", verb(report.broken.len() as u64, "seed breaks", "seeds break")), BROKEN)
    } else if !missing.is_empty() {
        let count = counted(missing.len() as u64, "case");
        let text = format!(
            "no rule is broken, but a batch of {REACH_ALL} runs or more reaches every case of the catalogue, and this one \
             missed {count}: {}\n",
            missing.join("; ")
        );
        (text, BROKEN)
    } else if cut_off {
        (format!("cut off after {}; no rule was broken until then\n", counted(report.runs, "run")), TRUNCATED)
    } else {
        ("all hold\n".to_owned(), HOLDS)
    };
    print(&text).map(|()| code)
}

fn verb(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn summary(report: &Report, truth: &Truth, seconds: f64, alone: bool) -> String {
    let mut out = String::new();
    let simulated = std::time::Duration::from_millis(report.simulated).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let steps = report.steps as f64 / seconds.max(1e-9);
    // Writing to a string cannot fail.
    let _written = writeln!(
        out,
        "{}, {} in {seconds:.1} s: {steps:.0} steps/s; {simulated:.0} s simulated, {:.0} times as fast as the clock",
        counted(report.runs, "run"),
        counted(report.steps, "step"),
        simulated / seconds.max(1e-9)
    );
    if alone {
        return out;
    }
    let missing = report.missing();
    if missing.is_empty() {
        out += "catalogue: complete\n";
    } else {
        let _written = writeln!(out, "catalogue: {} not reached", counted(missing.len() as u64, "case"));
        for (world, case) in missing {
            let _written = writeln!(out, "  {world}: {case}");
        }
    }
    for profile in [profile::Profile::Quick, profile::Profile::Ci] {
        let situations = truth.share_of_situations(profile, &report.coverage);
        let edges = truth.share_of_edges(profile, &report.coverage);
        let _written =
            writeln!(out, "of the models' {profile}: situations {situations}, steps of a handoff {edges}");
    }
    if report.coverage.strays > 0 {
        let _written =
            writeln!(out, "{} told of no operation: a bug of the simulator", report.coverage.strays);
    }
    out
}

fn catalogue(report: &Report) -> String {
    let mut out = String::new();
    for (world, reached) in ["directory", "several"].into_iter().zip(&report.reached) {
        for (case, count) in reached.all() {
            // Writing to a string cannot fail.
            let _written = writeln!(out, "{world:<10} {count:>9} {case}");
        }
    }
    out
}

/// Each broken seed with its rule, what does it again, and where its trace is; the end of the first one's is printed if
/// they are not wanted in files.
fn broken(args: &Args, report: &Report) -> Result<String, String> {
    let mut text = String::new();
    for (number, (seed, breach)) in report.broken.iter().enumerate() {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "seed {seed}: {breach}\n  {}", args.line(*seed));
        let wanted = number < if args.out.is_some() { MOST_TRACES } else { 1 };
        let trace = if wanted { args.again(*seed).trace } else { None };
        match (&args.out, trace) {
            // A single seed's is written in any case.
            (Some(out), Some(trace)) if args.runs.is_some_and(|runs| runs > 1) || args.minutes.is_some() => {
                text += &write(out, *seed, &trace)?;
            }
            (None, Some(trace)) => text += &tail(&trace),
            (Some(_), Some(_)) | (_, None) => {}
        }
    }
    Ok(text)
}

fn write(out: &Path, seed: u64, trace: &Trace) -> Result<String, String> {
    let file = out.join(format!("seed-{seed}.ndjson"));
    fs::write(&file, trace.to_ndjson())
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    Ok(format!("  written: {0}; `handoff-sim shrink {0}` makes it small\n", file.display()))
}

fn tail(trace: &Trace) -> String {
    let text = trace.to_string();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL);
    let end = lines.get(from..).unwrap_or_default();
    format!(
        "  the end of its trace (the whole with --out DIR):\n{}",
        end.iter().map(|line| format!("  | {line}\n")).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_sim::reached::Case;

    #[test]
    fn a_batch_that_is_large_enough_and_missed_a_case_fails_and_a_smaller_one_does_not() {
        let mut report = Report { runs: REACH_ALL, directories: REACH_ALL, ..Report::default() };
        let none = missing(Profile::Swarm, &report);
        assert!(none.contains(&"directory: the power is cut".to_owned()), "{none:?}");
        assert_eq!(verdict(&report, &none, false), Ok(BROKEN));
        report.reached[0].note(Case::PowerCut);
        assert_eq!(missing(Profile::Swarm, &report).len() + 1, none.len());
        // Of another profile nobody says that it reaches everything.
        assert_eq!(missing(Profile::Directory, &report), Vec::<String>::new());
        report.runs = REACH_ALL - 1;
        let few = missing(Profile::Swarm, &report);
        assert_eq!(verdict(&report, &few, false), Ok(HOLDS));
    }
}

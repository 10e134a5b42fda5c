//! `run`: one seed, or many.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_kernel::law::PROTOCOL;
use handoff_sim::batch::{self, Plan, Report};
use handoff_sim::mutants::Tried;
use handoff_sim::report::Batch;
use handoff_sim::run::Outcome;
use handoff_sim::swarm::{Profile, Swarm};
use handoff_spec::coverage::Truth;
use handoff_spec::profile;
use handoff_spec::trace::{Kind, Trace};

use super::{
    BROKEN, HOLDS, Progress, TRUNCATED, counted, ended, print, profile as profile_named, thread_count,
    threads, tried, writable_directory, writable_file,
};

/// So many runs of the profile `swarm` reach every case of the catalogue, or something is wrong with the simulator.
const REACH_ALL: u64 = 5_000;

/// So much of a trace is printed when nobody wants it in a file.
const TAIL: usize = 24;

/// Of so many broken seeds the traces are written; of more, only the seeds are named.
const MOST_TRACES: usize = 100;

/// A year.
const MOST_MINUTES: u64 = 365 * 24 * 60;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The first seed: the whole of its run comes of it
    #[arg(long)]
    seed: u64,
    /// How many seeds from there on; 1, or as many as there is time for with --minutes
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// End after so long; a batch of --runs that is not done by then is cut off, and the exit code is 3
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..=MOST_MINUTES))]
    minutes: Option<u64>,
    /// Which worlds are drawn: swarm, directory, several, races or calm
    #[arg(long, default_value = "swarm", value_parser = profile_named)]
    profile: Profile,
    /// On so many threads; what comes out is the same whatever their number
    #[arg(long, value_name = "T", value_parser = thread_count())]
    threads: Option<u16>,
    /// The law that the hubs decide by, or a slip of the store: a fault shows what a batch would find
    #[arg(long, default_value = PROTOCOL, value_name = "NAME", value_parser = tried)]
    law: Tried,
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
        self.law.run(&Swarm::draw(seed, self.profile), true)
    }

    /// Whether it is one seed, of which all is said.
    fn is_alone(&self) -> bool {
        self.runs == Some(1) || (self.runs.is_none() && self.minutes.is_none())
    }

    /// Where a seed's trace is written: batches of other worlds, or under another law, write others.
    fn file(&self, out: &Path, seed: u64) -> PathBuf {
        let law = self.law.name();
        let law = if law == PROTOCOL { String::new() } else { format!("-{law}") };
        out.join(format!("{}{law}-seed-{seed}.ndjson", self.profile.name()))
    }

    /// What would only be noticed when all is done.
    fn check(&self) -> Result<(), String> {
        if self.law.slip.is_some() && matches!(self.profile, Profile::Several | Profile::Races) {
            return Err(format!(
                "{} is a slip of the store on directories, and the worlds of {} have none: name --profile directory",
                self.law.name(),
                self.profile.name()
            ));
        }
        self.out.as_deref().map_or(Ok(()), writable_directory)?;
        self.junit.as_deref().map_or(Ok(()), writable_file)
    }
}

pub(super) fn run(args: &Args) -> Result<u8, String> {
    args.check()?;
    let runs = args.runs.unwrap_or(if args.minutes.is_some() { u64::MAX } else { 1 });
    if args.is_alone() {
        print(&format!("{}\n", Swarm::draw(args.seed, args.profile)))?;
    }
    let progress = Progress::new(args.progress);
    let in_time = || args.minutes.is_none_or(|minutes| progress.elapsed().as_secs() < minutes * 60);
    let threads = threads(args.threads);
    let plan = Plan { seed: args.seed, runs, profile: args.profile, threads, digests: args.digest };
    let report = batch::run_by(
        &plan,
        |swarm| args.law.run(swarm, plan.digests),
        |done| {
            progress.say(|| counted(done, "run"));
            in_time()
        },
    );
    let truth = Truth::committed().map_err(|error| error.to_string())?;
    let missing = missing(args.profile, &report);
    let name = args.line(args.seed);
    let seconds = progress.elapsed().as_secs_f64();
    let batch = Batch { name: &name, asked: args.runs, missing: &missing, seconds };
    tell(args, &batch, &report, &truth)
}

/// Says what came of it, and writes down what is to be written.
fn tell(args: &Args, batch: &Batch<'_>, report: &Report, truth: &Truth) -> Result<u8, String> {
    let alone = args.is_alone();
    let (text, code) = verdict(batch, report);
    let mut said = summary(args, batch, report, truth);
    if let Some(digest) = report.digest() {
        said += &format!("traces: {digest}\n");
    }
    if args.catalogue {
        said += &catalogue(report);
    }
    if args.coverage {
        let unseen = truth.missing(profile::Profile::Ci, &report.coverage);
        said.extend(unseen.iter().map(|edge| format!("never: {edge}\n")));
    }
    let mut written = Ok(());
    let failures = report.failures();
    if alone
        && failures.is_empty()
        && let Some(out) = &args.out
    {
        let trace = args.again(args.seed).trace;
        match trace.map_or_else(|| Ok(String::new()), |trace| write(args, out, args.seed, &trace)) {
            Ok(file) => said += &file,
            Err(why) => written = Err(why),
        }
    }
    let (broken, traces) = failed(args, report);
    said += &broken;
    let junit = args.junit.as_ref().map_or(Ok(()), |file| {
        let document = batch.junit(report, &|seed| args.line(seed));
        fs::write(file, document).map_err(|error| format!("cannot write {}: {error}", file.display()))
    });
    ended(code, print(&(said + &text)).and(written).and(traces).and(junit))
}

/// Whether a batch of so many has to have reached every case of the catalogue.
fn reaches_all(profile: Profile, report: &Report) -> bool {
    profile == Profile::Swarm && report.runs >= REACH_ALL
}

/// What a batch of so many has to have reached, and has not.
fn missing(profile: Profile, report: &Report) -> Vec<String> {
    if reaches_all(profile, report) { not_reached(report) } else { Vec::new() }
}

fn not_reached(report: &Report) -> Vec<String> {
    report.missing().into_iter().map(|(world, case)| format!("{world}: {case}")).collect()
}

/// The last lines, and the exit code.
fn verdict(batch: &Batch<'_>, report: &Report) -> (String, u8) {
    let missing = batch.missing;
    let (text, code) = if report.coverage.strays > 0 {
        ("the simulator told of operations that there are not: see above, and mend it\n".to_owned(), BROKEN)
    } else if let Some(failed) = failures(report) {
        (format!("{failed}\n"), BROKEN)
    } else if !missing.is_empty() {
        let count = counted(missing.len() as u64, "case");
        let text = format!(
            "no rule is broken, but a batch of {REACH_ALL} runs or more reaches every case of the catalogue, and this one \
             missed {count}: {}\n",
            missing.join("; ")
        );
        (text, BROKEN)
    } else if batch.not_done(report) > 0 {
        ("no rule was broken until then\n".to_owned(), TRUNCATED)
    } else {
        ("all hold\n".to_owned(), HOLDS)
    };
    let cut_off = if batch.not_done(report) > 0 {
        format!("cut off: the time was over after {}\n", batch.done(report))
    } else {
        String::new()
    };
    (cut_off + &text, code)
}

/// How many seeds failed, in which way.
fn failures(report: &Report) -> Option<String> {
    let ways = [
        (report.broken.len(), "seed breaks a rule", "seeds break a rule"),
        (report.panicked.len(), "seed panicked", "seeds panicked"),
        (report.endless.len(), "seed did not come to its end", "seeds did not come to their end"),
    ];
    let said: Vec<String> = ways
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn summary(args: &Args, batch: &Batch<'_>, report: &Report, truth: &Truth) -> String {
    let mut out = String::new();
    let seconds = batch.seconds;
    let simulated = std::time::Duration::from_millis(report.simulated).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let steps = report.steps as f64 / seconds.max(1e-9);
    // Writing to a string cannot fail.
    let _written = writeln!(
        out,
        "{}, {} in {seconds:.1} s: {steps:.0} steps/s; {simulated:.0} s simulated, {:.0} times as fast as the clock",
        batch.done(report),
        counted(report.steps, "step"),
        simulated / seconds.max(1e-9)
    );
    if args.is_alone() {
        return out;
    }
    let missing = not_reached(report);
    let count = counted(missing.len() as u64, "case");
    if missing.is_empty() {
        out += "catalogue: complete\n";
    } else if reaches_all(args.profile, report) || args.catalogue {
        let _written = writeln!(out, "catalogue: {count} not reached");
        out.extend(missing.iter().map(|case| format!("  {case}\n")));
    } else {
        let _written = writeln!(
            out,
            "catalogue: {count} not reached, which only a batch of {REACH_ALL} or more of swarm has to be; --catalogue names them"
        );
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

/// Each seed that fails, with why, what does it again, and where its trace is; the end of the first one's is printed if
/// they are not wanted in files. And the first of these that could not be written, if there is one.
fn failed(args: &Args, report: &Report) -> (String, Result<(), String>) {
    let (mut text, mut written) = (String::new(), Ok(()));
    for (number, (seed, failure)) in report.failures().iter().enumerate() {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "seed {seed}: {failure}\n  {}", args.line(*seed));
        // Nothing of a run that panics is written down.
        let wanted = number < if args.out.is_some() { MOST_TRACES } else { 1 };
        let has_trace = !report.panicked.contains_key(seed);
        let trace = if wanted && has_trace { args.again(*seed).trace } else { None };
        match (&args.out, trace) {
            (Some(out), Some(trace)) => match write(args, out, *seed, &trace) {
                Ok(file) => text += &file,
                Err(why) => written = written.and(Err(why)),
            },
            (None, Some(trace)) => text += &tail(&trace),
            (_, None) => {}
        }
    }
    (text, written)
}

fn write(args: &Args, out: &Path, seed: u64, trace: &Trace) -> Result<String, String> {
    let file = args.file(out, seed);
    fs::write(&file, trace.to_ndjson())
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let file = file.display();
    // There is nothing to be shrunk of one that breaks no rule.
    let then = match trace.header.kind {
        Kind::Counterexample => format!("`handoff-sim shrink {file}` makes it small"),
        Kind::Witness | Kind::Lasso => format!("`handoff-sim draw {file}` shows it"),
    };
    Ok(format!("  written: {file}; {then}\n"))
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
    use handoff_spec::model::Breach;

    fn told(report: &Report, asked: Option<u64>, missing: &[String]) -> (String, u8) {
        verdict(&Batch { name: "b", asked, missing, seconds: 1.0 }, report)
    }

    #[test]
    fn a_batch_that_is_large_enough_and_missed_a_case_fails_and_a_smaller_one_does_not() {
        let mut report = Report { runs: REACH_ALL, directories: REACH_ALL, ..Report::default() };
        let none = missing(Profile::Swarm, &report);
        assert!(none.contains(&"directory: the power is cut".to_owned()), "{none:?}");
        assert_eq!(told(&report, None, &none).1, BROKEN);
        report.reached[0].note(Case::PowerCut);
        assert_eq!(missing(Profile::Swarm, &report).len() + 1, none.len());
        // Of another profile nobody says that it reaches everything.
        assert_eq!(missing(Profile::Directory, &report), Vec::<String>::new());
        report.runs = REACH_ALL - 1;
        let few = missing(Profile::Swarm, &report);
        assert_eq!(told(&report, None, &few), ("all hold\n".to_owned(), HOLDS));
    }

    #[test]
    fn a_batch_that_was_cut_off_says_how_much_was_done_whatever_else_it_has_to_say() {
        let mut report = Report { runs: 12, ..Report::default() };
        let cut_off = "cut off: the time was over after 12 of 40 runs\n";
        let holds = (format!("{cut_off}no rule was broken until then\n"), TRUNCATED);
        assert_eq!(told(&report, Some(40), &[]), holds);
        assert_eq!(told(&report, Some(12), &[]), ("all hold\n".to_owned(), HOLDS));
        assert_eq!(told(&report, None, &[]), ("all hold\n".to_owned(), HOLDS));
        report.broken.insert(3, Breach::own("Mine", "so it is"));
        assert_eq!(told(&report, Some(40), &[]), (format!("{cut_off}1 seed breaks a rule\n"), BROKEN));
        let missing = ["directory: the power is cut".to_owned()];
        report.broken.clear();
        let (text, code) = told(&report, Some(40), &missing);
        assert!(code == BROKEN && text.starts_with(cut_off), "{text}");
    }

    #[test]
    fn a_seed_that_panicked_or_did_not_end_fails_and_is_named_with_the_line_that_does_it_again() {
        let mut report = Report { runs: 12, ..Report::default() };
        report.panicked.insert(3, "no such thing".to_owned());
        assert_eq!(told(&report, None, &[]), ("1 seed panicked\n".to_owned(), BROKEN));
        report.endless.extend([5, 6]);
        let all = "1 seed panicked, 2 seeds did not come to their end\n";
        assert_eq!(told(&report, None, &[]), (all.to_owned(), BROKEN));
        let out = tempfile::tempdir().unwrap();
        let args = args(&["--profile", "several", "--out", out.path().to_str().unwrap()]);
        let (text, written) = failed(&args, &report);
        assert_eq!(written, Ok(()));
        let panicked = "seed 3: panicked: no such thing\n  handoff-sim run --seed 3 --profile several\n\
                        seed 5: did not come to its end: it took as many steps as a run may\n";
        assert!(text.starts_with(panicked), "{text}");
        assert!(!args.file(out.path(), 3).exists(), "what panics is not run again");
        assert!(args.file(out.path(), 5).exists() && args.file(out.path(), 6).exists());
    }

    #[test]
    fn a_trace_that_cannot_be_written_hides_no_seed_that_fails() {
        let mut report = Report { runs: 12, ..Report::default() };
        report.endless.extend([5, 6]);
        let out = tempfile::tempdir().unwrap();
        let args = args(&["--profile", "several", "--out", out.path().to_str().unwrap()]);
        // Something is in the way, since this was looked at.
        fs::create_dir(args.file(out.path(), 5)).unwrap();
        let (text, written) = failed(&args, &report);
        assert!(text.contains("seed 5: ") && text.contains("seed 6: "), "{text}");
        assert!(written.as_ref().is_err_and(|why| why.contains("seed-5.ndjson")), "{written:?}");
        assert!(args.file(out.path(), 6).exists());
        assert_eq!(ended(BROKEN, written.clone()), Ok(BROKEN));
        assert!(ended(HOLDS, written).is_err());
    }

    fn args(more: &[&str]) -> Args {
        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line = ["run", "--seed", "0"].iter().chain(more);
        <Line as clap::Parser>::try_parse_from(line).unwrap().args
    }

    #[test]
    fn batches_of_other_worlds_and_under_another_law_write_other_files() {
        let out = Path::new("out");
        let file = |more: &[&str]| args(more).file(out, 7);
        assert_eq!(file(&[]), Path::new("out/swarm-seed-7.ndjson"));
        assert_eq!(file(&["--profile", "races"]), Path::new("out/races-seed-7.ndjson"));
        let both = ["--profile", "directory", "--law", "cutstooearly"];
        assert_eq!(file(&both), Path::new("out/directory-CutsTooEarly-seed-7.ndjson"));
    }
}

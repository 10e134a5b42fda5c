//! Runs the checks of a plan, one after the other, and reports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::ValueEnum;
use handoff_kernel::rules::Rule;
use handoff_spec::ambient::Stopwatch;
use handoff_spec::check::{Check, Figures, Finding, Limits, Measured, Report, Run, list, traces_of};
use handoff_spec::explorer::Progress;
use handoff_spec::model::Property;
use handoff_spec::profile::Profile;
use handoff_spec::trace::Trace;
use serde::Serialize;

use crate::cli::{BROKEN, HOLDS, TRUNCATED, print};

/// For whom the report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: one JSON object
    Json,
}

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) profile: Profile,
    pub(crate) rule: Option<Rule>,
    pub(crate) only: Option<String>,
    pub(crate) format: Format,
    pub(crate) out: Option<PathBuf>,
    pub(crate) symmetry: bool,
    pub(crate) second: bool,
    pub(crate) max_states: Option<u64>,
    pub(crate) record: Option<PathBuf>,
    /// Whether somebody watches, and wants to see how far it is.
    pub(crate) progress: bool,
}

/// A check and what came of it.
struct Ran {
    check: Check,
    report: Report,
}

pub(crate) fn run(plan: &Plan) -> Result<u8, String> {
    let measured = Measured::committed();
    let speaks = |check: &Check| {
        plan.rule.is_none_or(|rule| check.properties.contains(&Property::Rule(rule)))
            && plan.only.as_ref().is_none_or(|only| check.id == *only)
    };
    let checks: Vec<Check> = list(plan.profile).into_iter().filter(speaks).collect();
    if checks.is_empty() {
        let ids: Vec<_> = list(plan.profile).into_iter().map(|check| check.id).collect();
        return Err(format!("no check is so; there are\n  {}", ids.join("\n  ")));
    }
    if let Some(out) = &plan.out {
        fs::create_dir_all(out).map_err(|error| format!("cannot make {}: {error}", out.display()))?;
    }
    let stopwatch = Stopwatch::start();
    let mut ran = Vec::new();
    for check in checks {
        let known = measured.of(plan.profile.name(), &check.id);
        let mut report = one(&check, plan, known);
        if plan.record.is_none() && !plan.symmetry && !report.truncated && report.findings.is_empty() {
            compare(&mut report, known);
        }
        if plan.format == Format::Text {
            print(&line(&check, &report))?;
        }
        ran.push(Ran { check, report });
    }
    let seconds = stopwatch.elapsed().as_secs_f64();
    let code = code(&ran);
    if let Some(out) = &plan.out {
        write_out(out, plan, &ran, seconds)?;
    }
    if let (Some(file), HOLDS) = (&plan.record, code) {
        record(file, plan, &ran, seconds)?;
    }
    match plan.format {
        Format::Text => print(&summary(plan, &ran, seconds, code))?,
        Format::Json => print(&(json(plan, &ran, seconds)? + "\n"))?,
    }
    Ok(code)
}

fn one(check: &Check, plan: &Plan, known: Option<&Figures>) -> Report {
    let limits = Limits {
        max_states: plan.max_states.unwrap_or(u64::from(u32::MAX) - 1),
        // In the deep profile two frontiers at once want more memory than there is.
        second: plan.second && plan.max_states.is_none() && plan.profile != Profile::Deep,
        symmetry: plan.symmetry,
    };
    let stopwatch = Stopwatch::start();
    let mut told = 0;
    let mut watch = |progress: &Progress| {
        let seconds = stopwatch.elapsed().as_secs();
        if plan.progress && seconds > told {
            told = seconds;
            eprintln!("{}", how_far(&check.id, progress, stopwatch.elapsed().as_secs_f64(), known));
        }
    };
    check.run(limits, &mut watch)
}

/// States, rate, depth, frontier, and how long it will take if it is as large as it was.
fn how_far(id: &str, progress: &Progress, seconds: f64, known: Option<&Figures>) -> String {
    let Progress { states, edges, depth, frontier, bytes } = *progress;
    let rate = edges as f64 / seconds;
    let estimate = known.map_or_else(String::new, |known| {
        let left = known.edges.saturating_sub(edges) as f64 / rate;
        format!(", {} % of what it was, {left:.0} s left", edges * 100 / known.edges.max(1))
    });
    format!(
        "... {id}: {states} states, {rate:.0} edges/s, depth {depth}, frontier {frontier}, {} MiB{estimate}",
        bytes >> 20
    )
}

/// A model that has another size than it had is another model: whoever changed it says so by recording it.
fn compare(report: &mut Report, known: Option<&Figures>) {
    let is = Figures::from(&*report);
    let how = match known {
        None => "it is not in spec/measured.json".to_owned(),
        Some(was) if (was.states, was.edges, was.depth) != (is.states, is.edges, is.depth) => format!(
            "it has {} states, {} edges and depth {}, and had {}, {} and {} when it was recorded",
            is.states, is.edges, is.depth, was.states, was.edges, was.depth
        ),
        Some(was) if was.kills != is.kills => {
            "its faults are caught by other rules than were recorded".to_owned()
        }
        Some(_) => return,
    };
    report.findings.push(Finding {
        property: "Size".into(),
        how: format!("{how}; if that is meant, run this profile with --record spec/measured.json"),
        trace: None,
    });
}

fn code(ran: &[Ran]) -> u8 {
    if ran.iter().any(|ran| !ran.report.findings.is_empty()) {
        BROKEN
    } else if ran.iter().any(|ran| ran.report.truncated) {
        TRUNCATED
    } else {
        HOLDS
    }
}

// ------------------------------------------------------------------------------------------------------- for people

fn line(check: &Check, report: &Report) -> String {
    let Report { reached, seconds, second, .. } = report;
    let word = match (report.findings.is_empty(), report.truncated) {
        (false, _) => "FAIL",
        (true, true) => "CUT ",
        (true, false) => "ok  ",
    };
    let second = second.map_or_else(String::new, |second| format!(", stateright {:.2} s", second.seconds));
    let mut out = format!(
        "{word} {:<36} {:>9} states {:>10} edges {seconds:>7.2} s{second}\n",
        check.id, reached.states, reached.edges
    );
    for finding in &report.findings {
        out += &format!("     {}: {}\n", finding.property, finding.how);
        if let Some(trace) = &finding.trace {
            out += &format!("     in {} steps:\n", trace.steps());
            for line in trace.to_string().lines() {
                out += &format!("       {line}\n");
            }
        }
    }
    out
}

fn summary(plan: &Plan, ran: &[Ran], seconds: f64, code: u8) -> String {
    let states: u64 = ran.iter().map(|ran| ran.report.reached.states).sum();
    let edges: u64 = ran.iter().map(|ran| ran.report.reached.edges).sum();
    let mut out = format!(
        "\nprofile {}: {} checks, {states} states, {edges} edges, {seconds:.1} s\n",
        plan.profile,
        ran.len()
    );
    out += &rates(ran);
    match code {
        HOLDS => out += "all hold\n",
        TRUNCATED => out += "cut off: nothing is claimed of what was not looked at\n",
        _ => out += &broken(ran),
    }
    if let Some(out_dir) = &plan.out {
        out += &format!("traces and report in {}\n", out_dir.display());
    }
    out
}

/// Each property that is broken, the one with the shortest trace first.
fn broken(ran: &[Ran]) -> String {
    let mut shortest: BTreeMap<&str, (u32, &str, &str)> = BTreeMap::new();
    for Ran { check, report } in ran {
        for Finding { property, how, trace } in &report.findings {
            let steps = trace.as_ref().map_or(u32::MAX, Trace::steps);
            let how = how.lines().next().unwrap_or_default();
            let found = (steps, check.id.as_str(), how);
            let known = shortest.entry(property).or_insert(found);
            *known = (*known).min(found);
        }
    }
    let mut all: Vec<_> = shortest.into_iter().collect();
    all.sort_by_key(|(property, (steps, ..))| (*steps, *property));
    let lines = all.into_iter().map(|(property, (steps, id, how))| match steps {
        u32::MAX => format!("  {property}: {id}: {how}\n"),
        _ => format!("  {property}, in {steps} steps: {id}: {how}\n"),
    });
    format!("broken, the shortest of each:\n{}", lines.collect::<String>())
}

/// How fast each checker was, over the models that both have looked at, side by side.
fn rates(ran: &[Ran]) -> String {
    let both = || ran.iter().filter_map(|ran| Some((&ran.report, ran.report.second?)));
    let ours: f64 = both().map(|(report, _)| report.seconds).sum();
    let theirs: f64 = both().map(|(_, second)| second.seconds).sum();
    if ours <= 0.0 || theirs <= 0.0 {
        return String::new();
    }
    let states: u64 = both().map(|(report, _)| report.reached.states).sum();
    let edges: u64 = both().map(|(report, _)| report.reached.edges).sum();
    let generated: u64 = both().map(|(_, second)| second.generated).sum();
    format!(
        "explorer   {:>9.0} generated/s {:>9.0} unique/s\nstateright {:>9.0} generated/s {:>9.0} unique/s, one thread each, side by side\n",
        edges as f64 / ours,
        states as f64 / ours,
        generated as f64 / theirs,
        states as f64 / theirs,
    )
}

// ----------------------------------------------------------------------------------------------------- for programs

#[derive(Serialize)]
struct Json<'r> {
    profile: &'static str,
    result: &'static str,
    seconds: f64,
    checks: Vec<JsonCheck<'r>>,
}

#[derive(Serialize)]
struct JsonCheck<'r> {
    id: &'r str,
    says: &'r str,
    method: &'static str,
    properties: Vec<String>,
    truncated: bool,
    figures: Figures,
    depth: u32,
    findings: Vec<JsonFinding<'r>>,
    traces: Vec<&'r str>,
}

#[derive(Serialize)]
struct JsonFinding<'r> {
    property: &'r str,
    how: &'r str,
    trace: Option<&'r str>,
}

fn json(plan: &Plan, ran: &[Ran], seconds: f64) -> Result<String, String> {
    let checks = ran.iter().map(|Ran { check, report }| JsonCheck {
        id: &check.id,
        says: &check.says,
        method: check.method.name(),
        properties: check.properties.iter().map(|property| property.id()).collect(),
        truncated: report.truncated,
        figures: report.into(),
        depth: report.reached.depth,
        findings: report
            .findings
            .iter()
            .map(|finding| JsonFinding {
                property: &finding.property,
                how: &finding.how,
                trace: finding.trace.as_ref().map(|trace| trace.header.name.as_str()),
            })
            .collect(),
        traces: report.traces.iter().map(|trace| trace.header.name.as_str()).collect(),
    });
    let result = match code(ran) {
        HOLDS => "holds",
        TRUNCATED => "truncated",
        _ => "broken",
    };
    let json = Json { profile: plan.profile.name(), result, seconds, checks: checks.collect() };
    serde_json::to_string_pretty(&json).map_err(|error| error.to_string())
}

fn write_out(out: &Path, plan: &Plan, ran: &[Ran], seconds: f64) -> Result<(), String> {
    let write = |name: &str, text: &str| {
        let file = out.join(name);
        fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
    };
    let reports: Vec<Report> = ran.iter().map(|ran| ran.report.clone()).collect();
    for trace in traces_of(&reports) {
        write(&format!("{}.ndjson", trace.header.name), &trace.to_ndjson())?;
    }
    for trace in
        reports.iter().flat_map(|report| &report.findings).filter_map(|finding| finding.trace.as_ref())
    {
        write(&format!("{}.ndjson", trace.header.name), &trace.to_ndjson())?;
    }
    write("report.json", &(json(plan, ran, seconds)? + "\n"))
}

/// Writes the figures of what was run into the file, beside those of the checks that were not.
fn record(file: &Path, plan: &Plan, ran: &[Ran], seconds: f64) -> Result<(), String> {
    let failed = |error: &dyn core::fmt::Display| format!("cannot record in {}: {error}", file.display());
    let mut measured: Measured = match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| failed(&error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Measured::default(),
        Err(error) => return Err(failed(&error)),
    };
    let new: BTreeMap<String, Figures> =
        ran.iter().map(|ran| (ran.check.id.clone(), Figures::from(&ran.report))).collect();
    let name = plan.profile.name().to_owned();
    let run = if plan.only.is_some() {
        // Of checks that were run one by one, the time is that of all of them.
        let mut checks = measured.0.remove(&name).map(|run| run.checks).unwrap_or_default();
        checks.extend(new);
        Run::new(checks.values().map(|figures| figures.seconds).sum(), checks)
    } else {
        Run::new(seconds, new)
    };
    measured.0.insert(name, run);
    fs::write(file, measured.to_json()).map_err(|error| failed(&error))
}

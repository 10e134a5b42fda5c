//! Runs the checks of a plan, one after the other, and reports.

mod junit;
mod people;
mod sarif;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::ValueEnum;
use handoff_kernel::rules::Rule;
use handoff_spec::ambient::Stopwatch;
use handoff_spec::check::{Check, Figures, Finding, Limits, Measured, Report, Run, list, traces_of};
use handoff_spec::explorer::Progress;
use handoff_spec::model::Property;
use handoff_spec::picture::Diagram;
use handoff_spec::profile::Profile;
use handoff_spec::trace::Trace;
use serde::Serialize;

use crate::cli::{BROKEN, HOLDS, TRUNCATED, counted, print};

/// For whom the report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: one JSON object
    Json,
    /// For a CI's page of tests: JUnit XML
    Junit,
    /// For a CI that shows findings beside the text that they are about: SARIF 2.1.0
    Sarif,
}

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) profile: Profile,
    pub(crate) rule: Option<Rule>,
    pub(crate) only: Option<String>,
    pub(crate) format: Format,
    /// Whether every trace is printed under its check.
    pub(crate) verbose: bool,
    pub(crate) out: Option<PathBuf>,
    pub(crate) symmetry: bool,
    pub(crate) second: bool,
    pub(crate) max_states: Option<u64>,
    pub(crate) record: Option<PathBuf>,
    /// Every how many seconds somebody who watches is told how far it is; nobody watches when there is nothing here.
    pub(crate) progress: Option<u64>,
}

/// A check and what came of it.
struct Ran {
    check: Check,
    report: Report,
}

pub(crate) fn run(plan: &Plan) -> Result<u8, String> {
    let measured = Measured::committed();
    let checks = selected(plan)?;
    if let Some(out) = &plan.out {
        make_directory(out)?;
    }
    if let Some(file) = &plan.record {
        recordable(file)?;
    }
    let stopwatch = Stopwatch::start();
    let mut ran = Vec::new();
    for check in checks {
        let known = measured.of(plan.profile.name(), &check.id);
        let mut report = one(&check, plan, known);
        if plan.record.is_none() && !plan.symmetry && !report.truncated && report.findings.is_empty() {
            compare(&mut report, known, plan.profile);
        }
        if plan.format == Format::Text {
            print(&people::line(&check, &report, plan))?;
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
        Format::Text => print(&people::summary(plan, &ran, seconds, code))?,
        Format::Json => print(&(json(plan, &ran, seconds)? + "\n"))?,
        Format::Junit => print(&junit::document(plan, &ran, seconds))?,
        Format::Sarif => print(&(sarif::document(plan, &ran)? + "\n"))?,
    }
    Ok(code)
}

/// The checks that are asked for.
fn selected(plan: &Plan) -> Result<Vec<Check>, String> {
    let profile = plan.profile;
    let (named, others): (Vec<Check>, Vec<Check>) =
        list(profile).into_iter().partition(|check| plan.only.as_ref().is_none_or(|only| is_of(check, only)));
    if let Some(only) = &plan.only {
        if named.is_empty() {
            return Err(unknown(profile, only, &others));
        }
        if plan.record.is_some() && named.iter().all(|check| check.id != *only) {
            return Err(format!(
                "--record needs one check or all of them, and --only {only} is {}; name one, or leave out --only: {}",
                counted(named.len(), "check"),
                ids(&named)
            ));
        }
    }
    let Some(rule) = plan.rule else { return Ok(named) };
    let speaks = |check: &Check| check.properties.contains(&Property::Rule(rule));
    let (speaking, silent): (Vec<Check>, Vec<Check>) = named.into_iter().partition(speaks);
    if !speaking.is_empty() {
        return Ok(speaking);
    }
    let those: Vec<_> = others.into_iter().filter(speaks).collect();
    Err(match (silent.as_slice(), &plan.only) {
        ([check], Some(_)) => {
            let properties: Vec<_> = check.properties.iter().map(|property| property.id()).collect();
            format!("{} does not check {rule:?}; it checks {}", check.id, properties.join(", "))
        }
        (_, Some(only)) => {
            format!("no check below {only} checks {rule:?}; those that do are {}", ids(&those))
        }
        (_, None) => format!("no check of the profile {profile} checks {rule:?}"),
    })
}

/// Whether this is the check of this id, or one below it: `hubs` and `hubs/` are all of the hubs' checks.
fn is_of(check: &Check, only: &str) -> bool {
    let below = check.id.strip_prefix(only.trim_end_matches('/'));
    check.id == only || below.is_some_and(|rest| rest.starts_with('/'))
}

/// What kind of check this is the id of: what stands before the first stroke.
fn kind(id: &str) -> &str {
    id.split_once('/').map_or(id, |(kind, _)| kind)
}

/// That there is no such check, and what there is beside it.
fn unknown(profile: Profile, only: &str, all: &[Check]) -> String {
    let has = |other: &Profile| list(*other).iter().any(|check| is_of(check, only));
    if let Some(other) = Profile::ALL.into_iter().find(has) {
        return format!(
            "the profile {profile} has no check {only:?}, but {other} has: add --profile {other}"
        );
    }
    let kind = |id: &str| {
        let kind = kind(id);
        if kind == id { id.to_owned() } else { format!("{kind}/") }
    };
    let beside: Vec<_> =
        all.iter().map(|check| check.id.as_str()).filter(|id| kind(id) == kind(only)).collect();
    let there_are = if beside.is_empty() {
        all.iter().map(|check| kind(&check.id)).collect::<BTreeSet<_>>().into_iter().collect()
    } else {
        beside.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    format!("there is no check {only:?}, and none below it; there are {}", there_are.join(", "))
}

fn ids(checks: &[Check]) -> String {
    checks.iter().map(|check| check.id.as_str()).collect::<Vec<_>>().join(", ")
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
        if due(plan.progress, seconds, told) {
            told = seconds;
            eprintln!("{}", how_far(&check.id, progress, stopwatch.elapsed().as_secs_f64(), known));
        }
    };
    check.run(limits, &mut watch)
}

/// Whether it is time to tell again how far it is.
fn due(progress: Option<u64>, seconds: u64, told: u64) -> bool {
    progress.is_some_and(|every| seconds >= told + every)
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
fn compare(report: &mut Report, known: Option<&Figures>, profile: Profile) {
    let is = Figures::from(&*report);
    let why = unexplained(profile);
    let how = match known {
        None => format!(
            "it is not in spec/measured.json, and so nothing says what size it should have. Who knows that it is \
             as it is meant may record it: {}",
            to_record(profile)
        ),
        Some(was) if (was.states, was.edges, was.depth) != (is.states, is.edges, is.depth) => format!(
            "it has {} states, {} edges and depth {}, and had {}, {} and {} when it was recorded. {why}",
            is.states, is.edges, is.depth, was.states, was.edges, was.depth
        ),
        Some(was) if (&was.kills, &was.needed) != (&is.kills, &is.needed) => {
            format!("its faults are caught by other rules than were recorded. {why}")
        }
        Some(_) => return,
    };
    report.findings.push(Finding { property: SIZE.into(), how, trace: None });
}

/// The name of what is found where nothing is broken, but another model was looked at than was recorded.
const SIZE: &str = "Size";

fn to_record(profile: Profile) -> String {
    format!("handoff-spec check --profile {profile} --record spec/measured.json")
}

/// What another size means. It is no rule that is broken; but to record it is to make a weaker check a green one, if
/// nobody knows where the difference is from.
fn unexplained(profile: Profile) -> String {
    format!(
        "No rule explains the difference: something has become reachable or unreachable, or is asked no more. Only \
         who knows why should record it: {}",
        to_record(profile)
    )
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

/// Makes a directory that is to be written into, if there is none.
pub(crate) fn make_directory(out: &Path) -> Result<(), String> {
    if out.exists() && !out.is_dir() {
        return Err(format!(
            "--out {} is a file and not a directory: name a directory, which is made if there is none",
            out.display()
        ));
    }
    fs::create_dir_all(out).map_err(|error| format!("cannot make {}: {error}", out.display()))
}

fn write(out: &Path, name: &str, text: &str) -> Result<(), String> {
    let file = out.join(name);
    fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// Writes a trace and its pictures.
pub(crate) fn write_trace(out: &Path, trace: &Trace) -> Result<(), String> {
    let (name, picture) = (&trace.header.name, Diagram::of(trace));
    write(out, &format!("{name}.ndjson"), &trace.to_ndjson())?;
    write(out, &format!("{name}.svg"), &picture.to_svg())?;
    write(out, &format!("{name}.mmd"), &picture.to_mermaid())
}

fn write_out(out: &Path, plan: &Plan, ran: &[Ran], seconds: f64) -> Result<(), String> {
    let reports: Vec<Report> = ran.iter().map(|ran| ran.report.clone()).collect();
    let findings = reports.iter().flat_map(|report| &report.findings);
    for trace in traces_of(&reports).into_iter().chain(findings.filter_map(|finding| finding.trace.as_ref()))
    {
        write_trace(out, trace)?;
    }
    write(out, "report.json", &(json(plan, ran, seconds)? + "\n"))?;
    write(out, "report.junit.xml", &junit::document(plan, ran, seconds))?;
    write(out, "report.sarif", &(sarif::document(plan, ran)? + "\n"))
}

/// Where `--out` has this trace, and its picture.
fn files(plan: &Plan, trace: &Trace) -> Option<(String, String)> {
    let file = |end: &str| {
        plan.out.as_ref().map(|out| out.join(format!("{}.{end}", trace.header.name)).display().to_string())
    };
    Some((file("ndjson")?, file("svg")?))
}

/// What stands in the file, if there is one.
fn recorded(file: &Path) -> Result<Measured, String> {
    let failed = |error: &dyn core::fmt::Display| format!("cannot record in {}: {error}", file.display());
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| failed(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Measured::default()),
        Err(error) => Err(failed(&error)),
    }
}

/// Whether the file can be written: better known before a long run than after it.
fn recordable(file: &Path) -> Result<(), String> {
    recorded(file)?;
    let failed = |error: io::Error| {
        format!("cannot record in {}: {error}; name a file that can be written", file.display())
    };
    let new = !file.exists();
    fs::OpenOptions::new().append(true).create(true).open(file).map_err(failed)?;
    // A run that fails leaves no file behind.
    if new { fs::remove_file(file).map_err(failed) } else { Ok(()) }
}

/// Writes the figures of what was run into the file, beside those of the checks that were not.
fn record(file: &Path, plan: &Plan, ran: &[Ran], seconds: f64) -> Result<(), String> {
    let mut measured = recorded(file)?;
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
    fs::write(file, measured.to_json())
        .map_err(|error| format!("cannot record in {}: {error}", file.display()))
}

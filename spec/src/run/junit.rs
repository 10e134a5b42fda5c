//! A run as JUnit XML, for the page of tests that a CI shows.
//!
//! One suite a kind of check, one case a check. A check that found something is a failure, one that was cut off an
//! error. The schema allows a case several failures, but many readers take the first and drop the rest: so there is
//! one, named for the finding that tells most, and its text has them all.

use core::fmt::Write as _;

use handoff_spec::check::Finding;
use handoff_spec::junit::{content, document as whole, element, time};
use handoff_spec::trace::Trace;

use super::{Plan, Ran, files, kind, people};

/// The whole document.
pub(super) fn document(plan: &Plan, ran: &[Ran], seconds: f64) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for Ran { check, .. } in ran {
        if !kinds.contains(&kind(&check.id)) {
            kinds.push(kind(&check.id));
        }
    }
    let suites = kinds.into_iter().map(|this| {
        let cases: Vec<&Ran> = ran.iter().filter(|ran| kind(&ran.check.id) == this).collect();
        let seconds = cases.iter().map(|ran| ran.report.seconds).sum();
        let inside: String = cases.iter().map(|ran| case(plan, ran)).collect();
        element(1, "testsuite", &counts(this, &cases, seconds), &inside)
    });
    let name = format!("handoff-spec check --profile {}{}", plan.profile, part(plan));
    let all: Vec<&Ran> = ran.iter().collect();
    let suites: String = suites.collect();
    whole(&counts(&name, &all, seconds), &suites)
}

/// Which part of the profile was asked for.
fn part(plan: &Plan) -> String {
    let only = plan.only.as_ref().map_or_else(String::new, |only| format!(" --only {only}"));
    let rule = plan.rule.map_or_else(String::new, |rule| format!(" --rule {rule:?}"));
    only + &rule
}

/// What is said of many cases at once.
fn counts(name: &str, cases: &[&Ran], seconds: f64) -> Vec<(&'static str, String)> {
    let failures = cases.iter().filter(|ran| !ran.report.findings.is_empty()).count();
    let errors = cases.iter().filter(|ran| is_error(ran)).count();
    vec![
        ("name", name.to_owned()),
        ("tests", cases.len().to_string()),
        ("failures", failures.to_string()),
        ("errors", errors.to_string()),
        ("time", time(seconds)),
    ]
}

/// Cut off, and nothing found until then: it neither passed nor failed.
fn is_error(ran: &Ran) -> bool {
    ran.report.truncated && ran.report.findings.is_empty()
}

fn case(plan: &Plan, ran: &Ran) -> String {
    let Ran { check, report } = ran;
    let mut inside = String::new();
    if let Some(worst) = worst(&report.findings) {
        let others = report.findings.len() - 1;
        let more = if others == 0 { String::new() } else { format!(" (and {others} more in its text)") };
        let first = worst.how.lines().next().unwrap_or_default();
        let named = [("type", worst.property.clone()), ("message", format!("{first}{more}"))];
        inside += &content(3, "failure", &named, &told(plan, worst, report.findings.as_slice()));
    } else if report.truncated {
        let why = people::cut_off(plan);
        let named = [("type", "CutOff".to_owned()), ("message", why)];
        inside += &content(3, "error", &named, "nothing is claimed of what was not looked at\n");
    }
    let reached = report.reached;
    let figures = format!(
        "{}\nmethod: {}\nstates: {}\nedges: {}\ndepth: {}\n",
        check.says,
        check.method.name(),
        reached.states,
        reached.edges,
        reached.depth
    );
    inside += &content(3, "system-out", &[], &figures);
    let named = [
        ("name", check.id.clone()),
        ("classname", format!("handoff-spec.{}", kind(&check.id))),
        ("time", time(report.seconds)),
    ];
    element(2, "testcase", &named, &inside)
}

/// The finding that tells most: one that shows a breach, by the shortest way.
fn worst(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().min_by_key(|finding| {
        let length = finding.trace.as_ref().map_or(u32::MAX, Trace::steps);
        (!finding.shows_a_breach(), length, people::rank(&finding.property), &finding.property)
    })
}

/// This finding with its trace, and the others by name.
fn told(plan: &Plan, worst: &Finding, all: &[Finding]) -> String {
    let mut out =
        worst.trace.as_ref().map_or_else(|| format!("{}\n", worst.how.trim_end()), Trace::to_string);
    if let Some((ndjson, svg)) = worst.trace.as_ref().and_then(|trace| files(plan, trace)) {
        let _ = writeln!(out, "written as {ndjson}, and as a picture {svg}");
    }
    let others: Vec<&Finding> = all.iter().filter(|finding| !core::ptr::eq(*finding, worst)).collect();
    if !others.is_empty() {
        out += "\nbesides:\n";
    }
    for finding in others {
        let by = finding.trace.as_ref().map_or_else(String::new, |trace| {
            files(plan, trace)
                .map_or_else(|| format!(" ({})", trace.header.name), |(ndjson, _)| format!(" ({ndjson})"))
        });
        let _ = writeln!(out, "  {}: {}{by}", finding.property, people::how(finding, 4));
    }
    out
}

//! What a person is told of a run: a line for each check, and at the end what is broken, each rule once.

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::rules::Rule;
use handoff_spec::check::{Check, Finding, Report};
use handoff_spec::profile::Profile;
use handoff_spec::trace::Trace;

use super::{Plan, Ran, SIZE, counted, unexplained};
use crate::cli::{HOLDS, TRUNCATED};

pub(super) fn line(check: &Check, report: &Report, plan: &Plan) -> String {
    let Report { reached, seconds, second, findings, .. } = report;
    let word = match (findings.is_empty(), report.truncated) {
        (false, _) if findings.iter().all(|finding| finding.property == SIZE) => "SIZE",
        (false, _) => "FAIL",
        (true, true) => "CUT ",
        (true, false) => "ok  ",
    };
    let second = second.map_or_else(String::new, |second| format!(", stateright {:.2} s", second.seconds));
    let mut out = format!(
        "{word} {:<36} {:>9} states {:>10} edges {seconds:>7.2} s{second}{}\n",
        check.id,
        reached.states,
        reached.edges,
        names(findings),
    );
    if report.truncated {
        out += &format!("     {}\n", cut_off(plan));
    }
    if plan.verbose {
        out += &told(findings);
    }
    out
}

/// That it ended before it was done, why, and what can be done.
pub(super) fn cut_off(plan: &Plan) -> String {
    match plan.max_states {
        Some(most) => {
            format!(
                "cut off: it has more states than the {most} of --max-states; raise that, or leave it out"
            )
        }
        None => "cut off: it has more states than can be counted; --symmetry makes them fewer".to_owned(),
    }
}

/// What broke, and what else is not as it should be, by name.
fn names(findings: &[Finding]) -> String {
    let of = |breach: bool| {
        let some = findings.iter().filter(|finding| finding.shows_a_breach() == breach);
        let mut names: Vec<_> = some.map(|finding| finding.property.as_str()).collect();
        names.dedup();
        names.join(", ")
    };
    match (of(true), of(false)) {
        (broken, missed) if broken.is_empty() && missed.is_empty() => String::new(),
        (broken, missed) if missed.is_empty() => format!("  broken: {broken}"),
        (broken, missed) if broken.is_empty() => format!("  not as expected: {missed}"),
        (broken, missed) => format!("  broken: {broken}; not as expected: {missed}"),
    }
}

/// Every finding of one check, each trace once.
fn told(findings: &[Finding]) -> String {
    let mut out = String::new();
    let mut seen: Vec<&Trace> = Vec::new();
    for finding in findings {
        out += &format!("     {}: {}\n", finding.property, how(finding, 7));
        let Some(trace) = &finding.trace else { continue };
        let same =
            |other: &&Trace| other.lines == trace.lines && other.header.records == trace.header.records;
        if let Some(other) = seen.iter().find(|other| same(other)) {
            out += &format!("       as {} above shows\n", other.header.name);
        } else {
            out += &format!("     in {}:\n{}", steps(trace), indented(&trace.to_string(), 7));
        }
        seen.push(trace);
    }
    out
}

/// What exactly was found. Where a trace tells the rest, the first line is enough.
pub(super) fn how(finding: &Finding, indent: usize) -> String {
    match (&finding.trace, finding.how.split_once('\n')) {
        (Some(_), Some((first, _))) => first.to_owned(),
        (None, Some((first, rest))) => format!("{first}\n{}", indented(rest, indent).trim_end()),
        (_, None) => finding.how.clone(),
    }
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

fn steps(trace: &Trace) -> String {
    counted(trace.steps() as usize, "step")
}

pub(super) fn summary(plan: &Plan, ran: &[Ran], seconds: f64, code: u8) -> String {
    let states: u64 = ran.iter().map(|ran| ran.report.reached.states).sum();
    let edges: u64 = ran.iter().map(|ran| ran.report.reached.edges).sum();
    let mut out = format!(
        "\nprofile {}: {}, {states} states, {edges} edges, {seconds:.1} s\n",
        plan.profile,
        counted(ran.len(), "check")
    );
    out += &rates(ran);
    match code {
        HOLDS => out += "all hold\n",
        TRUNCATED => out += "cut off: nothing is claimed of what was not looked at\n",
        _ => out += &broken(ran, plan),
    }
    if let Some(out_dir) = &plan.out {
        out += &format!("traces and reports in {}\n", out_dir.display());
    }
    out
}

/// Everything that was found, by the check in which it was.
fn found(ran: &[Ran]) -> impl Iterator<Item = (&str, &Finding)> {
    ran.iter()
        .flat_map(|Ran { check, report }| report.findings.iter().map(|finding| (check.id.as_str(), finding)))
}

/// Where a rule stands among the rules; after them whatever is none.
pub(super) fn rank(property: &str) -> usize {
    Rule::ALL.iter().position(|rule| rule.to_string() == property).unwrap_or(Rule::ALL.len())
}

/// Each property that is broken with its shortest trace, what a single step breaks by induction first: it is nearest
/// to the line that is wrong. What may only follow from that comes last.
fn broken(ran: &[Ran], plan: &Plan) -> String {
    let mut breaches: BTreeMap<&str, Vec<(&str, &Finding)>> = BTreeMap::new();
    for (id, finding) in found(ran).filter(|(_, finding)| finding.shows_a_breach()) {
        breaches.entry(&finding.property).or_default().push((id, finding));
    }
    let length = |finding: &Finding| finding.trace.as_ref().map_or(u32::MAX, Trace::steps);
    let inductive =
        |finding: &Finding| finding.trace.as_ref().is_some_and(|trace| trace.header.model == "induction");
    let mut all: Vec<_> = breaches
        .into_iter()
        .filter_map(|(property, all)| {
            let shortest = *all.iter().min_by_key(|(_, finding)| length(finding))?;
            let model_only = !all.iter().any(|(_, finding)| inductive(finding));
            let checks: BTreeSet<_> = all.iter().map(|(id, _)| *id).collect();
            Some(((model_only, length(shortest.1), rank(property), property), shortest, checks.len() - 1))
        })
        .collect();
    all.sort_by_key(|(key, ..)| *key);
    let mut out = String::new();
    for ((.., property), (id, finding), others) in &all {
        out += &format!("\nbroken: {property}: {}\n  ", how(finding, 2));
        out += &finding.trace.as_ref().map_or_else(String::new, |trace| format!("in {}, ", steps(trace)));
        out += &format!("by {id}");
        if *others > 0 {
            out += &format!("; also in {}", counted(*others, "other check"));
        }
        out.push('\n');
        if let (Some(trace), false) = (&finding.trace, plan.verbose) {
            out += &indented(&trace.to_string(), 4);
        }
    }
    out + &if all.is_empty() { unbroken(ran, plan.profile) } else { following(ran) }
}

/// What may follow from what is broken: short, for it is looked at again when that is mended.
fn following(ran: &[Ran]) -> String {
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (id, finding) in found(ran).filter(|(_, finding)| !finding.shows_a_breach()) {
        if finding.property == SIZE {
            kinds.entry("not of the size that was recorded").or_default().push(id.to_owned());
        } else {
            // What is before the colon is the same for all of a kind.
            let kind = finding.how.split_once(": ").map_or(finding.how.as_str(), |(kind, _)| kind);
            let of = finding.property.trim_start_matches("Witness of ");
            kinds.entry(kind).or_default().push(format!("{id} ({of})"));
        }
    }
    if kinds.is_empty() {
        return String::new();
    }
    let lines = kinds.into_iter().map(|(kind, mut places)| {
        places.dedup();
        format!("  {kind}:\n{}", wrapped(&places))
    });
    format!("\nthis may follow from what is broken above:\n{}", lines.collect::<String>())
}

/// These, as many on a line as have room.
fn wrapped(words: &[String]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 110 => *line += &format!(", {word}"),
            Some(_) | None => lines.push(format!("    {word}")),
        }
    }
    lines.join(",\n") + "\n"
}

/// What is not as expected where nothing is broken that could explain it.
fn unbroken(ran: &[Ran], profile: Profile) -> String {
    let why = unexplained(profile);
    let (sizes, others): (Vec<_>, Vec<_>) = found(ran).partition(|(_, finding)| finding.property == SIZE);
    let mut out = String::new();
    if !others.is_empty() {
        out += "\nno rule is seen to break, but this is not as it must be:\n";
    }
    for (id, finding) in others {
        out += &format!("  {id}: {}: {}\n", finding.property, how(finding, 4));
    }
    if !sizes.is_empty() {
        out += "\nno rule is broken by these, but they are not of the size that was recorded:\n";
    }
    for (id, finding) in &sizes {
        out += &format!("  {id}: {}\n", finding.how.trim_end_matches(&why).trim_end());
    }
    if sizes.iter().any(|(_, finding)| finding.how.ends_with(&why)) {
        out += &format!("{why}\n");
    }
    out
}

/// How fast each checker was, over the models that both have looked at, side by side.
fn rates(ran: &[Ran]) -> String {
    let both = || ran.iter().filter_map(|ran| Some((&ran.report, ran.report.second?)));
    let ours: f64 = both().map(|(report, _)| report.seconds).sum();
    let theirs: f64 = both().map(|(_, second)| second.seconds).sum();
    // Of a moment's work a rate says nothing.
    if ours.min(theirs) < 1.0 {
        return String::new();
    }
    let states: u64 = both().map(|(report, _)| report.reached.states).sum();
    let edges: u64 = both().map(|(report, _)| report.reached.edges + report.initial).sum();
    let generated: u64 = both().map(|(_, second)| second.generated).sum();
    format!(
        "explorer   {:>9.0} generated/s {:>9.0} unique/s\nstateright {:>9.0} generated/s {:>9.0} unique/s, one thread each, side by side\n",
        edges as f64 / ours,
        states as f64 / ours,
        generated as f64 / theirs,
        states as f64 / theirs,
    )
}

#[cfg(test)]
mod tests {
    use handoff_kernel::testing::variant::Fault;

    use super::super::compare;
    use super::super::tests::{induction, missed, plan as any_plan, ran};
    use super::*;
    use crate::cli::BROKEN;

    fn plan(verbose: bool) -> Plan {
        Plan { verbose, ..any_plan() }
    }

    /// What induction finds of a law that lets claims lapse too early.
    fn lapses_early() -> Vec<Finding> {
        induction(Fault::LapsesUnbounded)
    }

    /// The same rule broken in a model, by a longer way, and another by a shorter one.
    fn in_a_model(property: Rule, like: &Finding, shorter: bool) -> Finding {
        let mut trace = like.trace.clone().unwrap();
        trace.header.model = "hubs".into();
        trace.lines.iter_mut().for_each(|line| line.step = if shorter { 0 } else { 9 });
        Finding { property: property.to_string(), how: "so it is".into(), trace: Some(trace) }
    }

    #[test]
    fn each_rule_is_told_once_with_its_shortest_trace_and_what_induction_breaks_first() {
        let induction = lapses_early();
        let s14 = induction.iter().find(|finding| finding.property.starts_with("S14")).unwrap().clone();
        let all = [
            ran("hubs/race", vec![in_a_model(Rule::S14, &s14, false), in_a_model(Rule::S12, &s14, true)]),
            ran("proof/induction", induction),
            ran(
                "dropped/janitor-that-stops",
                vec![missed("L1 Resolves", "it must break here, and does not: a")],
            ),
            ran("hubs/log", vec![missed("Witness of S10 LogAgrees", "never reached: b")]),
            ran("hubs/life", vec![missed(SIZE, "it has 3 states")]),
        ];
        let text = summary(&plan(false), &all, 1.0, BROKEN);
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is not in {text}"));
        assert_eq!(text.matches("broken: S14 NoEarlyExpiry: ").count(), 1, "{text}");
        assert!(at("broken: S14 ") < at("broken: S12 "), "{text}");
        assert!(
            text.contains("in 1 step, by proof/induction; also in 1 other check\n    induction-s14-"),
            "{text}"
        );
        assert!(at("broken: S12 ") < at("this may follow from what is broken above:"), "{text}");
        assert!(
            text.contains(
                "it must break here, and does not:\n    dropped/janitor-that-stops (L1 Resolves)\n"
            )
        );
        assert!(text.contains("never reached:\n    hubs/log (S10 LogAgrees)\n"), "{text}");
        assert!(text.contains("not of the size that was recorded:\n    hubs/life\n"), "{text}");
        let verbose = summary(&plan(true), &all, 1.0, BROKEN);
        assert!(!verbose.contains("columns: "), "{verbose}");
    }

    #[test]
    fn a_check_that_fails_has_one_line_and_a_verbose_one_each_trace_once() {
        let Ran { check, report } = ran("proof/induction", lapses_early());
        let short = line(&check, &report, &plan(false));
        assert_eq!(short.lines().count(), 1, "{short}");
        assert!(short.starts_with("FAIL ") && short.contains("S14 NoEarlyExpiry"), "{short}");
        assert_eq!(short.matches("S14").count(), 1, "{short}");
        let long = line(&check, &report, &plan(true));
        let mut ways: Vec<_> =
            report.findings.iter().map(|finding| &finding.trace.as_ref().unwrap().lines).collect();
        let findings = ways.len();
        ways.dedup();
        assert!(ways.len() < findings, "the state rule and the step rule see the same step");
        assert_eq!(long.matches("columns: ").count(), ways.len(), "{long}");
        assert!(long.contains(" above shows\n") && !long.contains("the record:  "), "{long}");
        let (_, below) = long.split_once('\n').unwrap();
        assert!(below.lines().all(|line| line.starts_with("     ")), "{long}");
    }

    #[test]
    fn another_size_is_no_broken_rule_and_invites_nobody_to_record_it() {
        let mut life = ran("hubs/life", Vec::new());
        let was = handoff_spec::check::Measured::committed();
        compare(&mut life.report, was.of("quick", "hubs/life"), Profile::Quick);
        assert!(line(&life.check, &life.report, &plan(false)).starts_with("SIZE hubs/life"));
        let text = summary(&plan(false), &[life], 1.0, BROKEN);
        let why = "No rule explains the difference: something has become reachable or unreachable";
        assert_eq!(text.matches(why).count(), 1, "{text}");
        assert!(text.contains("no rule is broken by these") && !text.contains("may follow"), "{text}");
        let mut new = Report::default();
        compare(&mut new, None, Profile::Ci);
        assert!(new.findings[0].how.ends_with("check --profile ci --record spec/measured.json"));
    }

    #[test]
    fn a_rate_is_told_of_long_runs_only_and_has_the_initial_states_among_the_generated() {
        use handoff_spec::check::Second;
        let mut long = ran("hubs/life", Vec::new());
        long.report.reached.states = 4;
        long.report.reached.edges = 2;
        long.report.initial = 2;
        long.report.seconds = 0.9;
        long.report.second = Some(Second { states: 4, generated: 4, seconds: 2.0 });
        assert_eq!(rates(&[long]), "");
        let mut long = ran("hubs/life", Vec::new());
        long.report.reached.states = 4;
        long.report.reached.edges = 2;
        long.report.initial = 2;
        long.report.seconds = 1.0;
        long.report.second = Some(Second { states: 4, generated: 4, seconds: 2.0 });
        assert!(rates(&[long]).starts_with("explorer           4 generated/s         4 unique/s"));
    }

    #[test]
    fn words_are_wrapped() {
        let words = vec!["0123456789".to_owned(); 20];
        let text = wrapped(&words);
        assert_eq!(text.matches("0123456789").count(), 20);
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() <= 120), "{text}");
    }
}

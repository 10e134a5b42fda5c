//! The reports of a run that found something: what ships finds nothing, so these are of laws that are bent.

#[path = "../../tests/schemas/mod.rs"]
mod schemas;

use handoff_kernel::testing::variant::{Fault, Variant};
use handoff_spec::proof::{Cti, Size, prove, trace};
use roxmltree::{Document, Node};
use serde_json::Value;

use super::*;

const PROTOCOL: &str = include_str!("../../PROTOCOL.md");

pub(super) fn plan() -> Plan {
    Plan {
        profile: Profile::Quick,
        rule: None,
        only: None,
        format: Format::Text,
        verbose: false,
        out: None,
        symmetry: false,
        second: false,
        max_states: None,
        record: None,
        progress: None,
    }
}

pub(super) fn ran(id: &str, findings: Vec<Finding>) -> Ran {
    let check = list(Profile::Quick).into_iter().find(|check| check.id == id).unwrap();
    Ran { check, report: Report { findings, ..Report::default() } }
}

fn cut(id: &str, findings: Vec<Finding>) -> Ran {
    let mut ran = ran(id, findings);
    ran.report.truncated = true;
    ran
}

/// What induction finds of this law.
pub(super) fn induction(fault: Fault) -> Vec<Finding> {
    let finding = |cti: Cti| Finding {
        property: cti.rule.to_string(),
        how: format!("{}\n{cti}", cti.conjunct),
        trace: Some(trace(&cti, fault.name())),
    };
    prove(&Variant::with(fault), Size::QUICK).broken.into_iter().map(finding).collect()
}

pub(super) fn missed(property: &str, how: &str) -> Finding {
    Finding { property: property.into(), how: how.into(), trace: None }
}

/// A promise that is broken, as a model tells it.
fn lasso() -> Finding {
    let text = include_str!("../../traces/dropped-janitor-that-stops.ndjson");
    Finding { trace: Some(Trace::parse(text).unwrap()), ..missed("L1 Resolves", "nobody sweeps") }
}

/// A run in which everything can be seen that can go wrong.
fn broken() -> Vec<Ran> {
    vec![
        ran("proof/induction", induction(Fault::LapsesUnbounded)),
        ran("proof/exact", vec![missed("Exactness", "these two differ:\n  <one> & \"the other\"\n")]),
        ran("proof/frame", Vec::new()),
        ran("live/resolves", vec![lasso()]),
        cut("hubs/race", Vec::new()),
        cut("hubs/log", vec![missed("Opinion", "the two checkers differ in what is broken: {[a](b)} here")]),
        ran(
            "hubs/life",
            vec![missed("Witness of S10 LogAgrees", "never reached: b"), missed("Size", "3 states")],
        ),
    ]
}

fn junit_of(ran: &[Ran]) -> String {
    let document = junit::document(&plan(), ran, 1.0);
    schemas::junit(&document).unwrap();
    document
}

fn sarif_of(plan: &Plan, ran: &[Ran]) -> Value {
    let document = sarif::document(plan, ran).unwrap();
    schemas::sarif(&document).unwrap();
    serde_json::from_str(&document).unwrap()
}

fn results(log: &Value) -> &Vec<Value> {
    log["runs"][0]["results"].as_array().unwrap()
}

fn case<'d>(document: &'d Document<'_>, name: &str) -> Node<'d, 'd> {
    document.descendants().find(|node| node.attribute("name") == Some(name)).unwrap()
}

fn child<'d>(node: Node<'d, 'd>, name: &str) -> Option<Node<'d, 'd>> {
    node.children().find(|child| child.has_tag_name(name))
}

// ------------------------------------------------------------------------------------------------------------ JUnit

#[test]
fn junit_counts_what_failed_and_what_was_cut_off() {
    let text = junit_of(&broken());
    let document = Document::parse(&text).unwrap();
    let counts = |node: Node<'_, '_>| {
        ["tests", "failures", "errors"].map(|name| node.attribute(name).unwrap().parse::<u32>().unwrap())
    };
    assert_eq!(
        counts(document.root_element()),
        [7, 5, 1],
        "what is found until it is cut off counts as found"
    );
    let suites: Vec<_> = document.root_element().children().filter(Node::is_element).collect();
    let named: Vec<_> =
        suites.iter().map(|suite| (suite.attribute("name").unwrap(), counts(*suite))).collect();
    assert_eq!(named, [("proof", [3, 2, 0]), ("live", [1, 1, 0]), ("hubs", [3, 2, 1])]);
    for name in ["failure", "error"] {
        let elements = document.descendants().filter(|node| node.has_tag_name(name)).count();
        assert_eq!(elements, if name == "failure" { 5 } else { 1 });
    }
    assert!(child(case(&document, "proof/frame"), "failure").is_none());
}

#[test]
fn a_failure_is_named_for_the_finding_that_tells_most_and_shows_its_trace() {
    let mut findings = induction(Fault::LapsesUnbounded);
    findings.insert(0, missed("Witness of S1 SingleWinner", "never reached: a"));
    let count = findings.len();
    let of_s14 = findings.iter().filter(|finding| finding.property.starts_with("S14")).cloned();
    let shortest = of_s14.filter_map(|finding| finding.trace).min_by_key(Trace::steps).unwrap();
    let text = junit_of(&[ran("proof/induction", findings)]);
    let document = Document::parse(&text).unwrap();
    let failure = child(case(&document, "proof/induction"), "failure").unwrap();
    assert_eq!(failure.attribute("type"), Some("S14 NoEarlyExpiry"));
    let message = failure.attribute("message").unwrap();
    assert!(message.ends_with(&format!("(and {} more in its text)", count - 1)), "{message}");
    assert!(!message.contains('\n'), "{message}");
    let told = failure.text().unwrap();
    assert!(told.starts_with(&shortest.to_string()), "{told}");
    assert!(told.contains("\nbesides:\n  Witness of S1 SingleWinner: never reached: a\n"), "{told}");
    assert!(told.lines().filter(|line| line.starts_with("  ") && line.contains(": ")).count() >= count - 1);
}

#[test]
fn no_character_breaks_the_xml() {
    let nasty = "\u{0}\u{1b}[31m<a b='\"'>&amp;]]>\u{fffe}\u{ffff}\r\t\u{85}\u{1f980}\n</failure><!-- ";
    let mut ran = ran("hubs/life", vec![missed(nasty, nasty), missed("Size", nasty)]);
    ran.check.id = format!("hubs/{nasty}");
    ran.check.says = nasty.into();
    let mut plan = plan();
    plan.only = Some(nasty.into());
    let text = junit::document(&plan, &[ran], f64::from(1 << 20));
    schemas::junit(&text).unwrap();
    let document = Document::parse(&text).unwrap();
    let shown = nasty.replace(['\u{0}', '\u{1b}', '\u{fffe}', '\u{ffff}'], "\u{fffd}");
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
    assert_eq!(failure.attribute("type").unwrap(), shown);
    assert!(failure.text().unwrap().starts_with(shown.trim_end()), "{text}");
    assert!(document.root_element().attribute("name").unwrap().ends_with(&shown));
}

// ------------------------------------------------------------------------------------------------------------ SARIF

#[test]
fn each_finding_is_a_result_of_its_rule_at_the_line_of_its_heading() {
    let rules = Rule::ALL.into_iter().flat_map(|rule| {
        [missed(&rule.to_string(), "so"), missed(&format!("Witness of {rule}"), "never reached: so")]
    });
    let others = ["Refinement", "Frame", "Exactness", "Opinion", "Size", "something new"];
    let findings: Vec<_> = rules.chain(others.map(|other| missed(other, "so"))).collect();
    let log = sarif_of(&plan(), &[ran("hubs/race", findings.clone())]);
    let lines: Vec<&str> = PROTOCOL.lines().collect();
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(results(&log).len(), findings.len());
    for (result, finding) in results(&log).iter().zip(&findings) {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"], "{result}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "spec/PROTOCOL.md");
        assert_eq!(place["artifactLocation"]["uriBaseId"], "%SRCROOT%");
        let line = usize::try_from(place["region"]["startLine"].as_u64().unwrap()).unwrap();
        let (id, heading) = match finding.property.as_str() {
            "Refinement" => ("Refinement", "## The record and its statuses".to_owned()),
            "Frame" => ("Frame", "## Commands".to_owned()),
            "Exactness" => ("Exactness", "## Time".to_owned()),
            both @ ("Opinion" | "Size") => (both, "## The rules".to_owned()),
            "something new" => ("Other", "# The protocol".to_owned()),
            rule => match rule.strip_prefix("Witness of ") {
                Some(rule) => ("Witness", format!("### {rule}")),
                None => (rule.split_once(' ').unwrap().0, format!("### {rule}")),
            },
        };
        assert_eq!((result["ruleId"].as_str().unwrap(), lines[line - 1]), (id, heading.as_str()));
    }
}

#[test]
fn a_trace_is_a_code_flow_with_a_location_for_the_beginning_and_each_step() {
    let late = include_str!("../../traces/bound-epsilon-2.ndjson");
    let late = Finding { trace: Some(Trace::parse(late).unwrap()), ..missed("S3 NoLateClaim", "late") };
    assert!(late.trace.as_ref().unwrap().lines.iter().any(|line| line.step == 0));
    for finding in [late, induction(Fault::LapsesUnbounded).swap_remove(0), lasso()] {
        let property = finding.property.clone();
        let trace = finding.trace.clone().unwrap();
        let log = sarif_of(&plan(), &[ran("live/resolves", vec![finding])]);
        let [flow] = results(&log)[0]["codeFlows"].as_array().unwrap().as_slice() else { panic!("{log}") };
        let locations = flow["threadFlows"][0]["locations"].as_array().unwrap();
        let text = |at: usize| locations[at]["location"]["message"]["text"].as_str().unwrap();
        let steps: BTreeSet<u32> =
            trace.lines.iter().map(|line| line.step).filter(|step| *step > 0).collect();
        assert_eq!(locations.len(), 1 + steps.len());
        assert!(text(0).starts_with("at the beginning: "), "{}", text(0));
        // Step 0 is what has happened before, and belongs to the beginning.
        for (at, step) in (0..).zip(std::iter::once(0).chain(steps)) {
            assert_eq!(locations[at]["executionOrder"], step);
            for line in trace.lines.iter().filter(|line| line.step == step) {
                assert!(text(at).contains(&line.event.to_string()), "{} is not in {}", line.event, text(at));
            }
        }
        let last = text(locations.len() - 1);
        if trace.header.cycle_from.is_none() {
            assert!(last.ends_with(&format!("\nthis breaks {property}")), "{last}");
        } else {
            assert!(log.to_string().contains("from here on"), "{log}");
        }
    }
}

#[test]
fn a_message_says_what_how_where_and_in_which_files() {
    let mut plan = plan();
    plan.out = Some("target/spec".into());
    let log = sarif_of(&plan, &broken());
    let mut all = results(&log).iter().map(|result| result["message"]["text"].as_str().unwrap());
    let s14 = all.clone().find(|text| text.starts_with("S14")).unwrap();
    assert_eq!(
        s14,
        "S14 NoEarlyExpiry: the clock rejected what was not due. In 1 step, by proof/induction. \
         The trace is target/spec/induction-s14-the-clock-rejected-what-was-not-due.ndjson, its picture target/spec/induction-s14-the-clock-rejected-what-was-not-due.svg."
    );
    let opinion = all.find(|text| text.starts_with("Opinion")).unwrap();
    assert_eq!(
        opinion, "Opinion: the two checkers differ in what is broken: {[a] (b)} here. By hubs/log.",
        "what is no link stays none"
    );
}

#[test]
fn a_finding_has_the_same_fingerprint_in_every_run_and_no_other_has_it() {
    let prints = |log: &Value| -> Vec<String> {
        let print = |result: &Value| result["partialFingerprints"]["primaryLocationLineHash"].clone();
        results(log).iter().map(|result| print(result).as_str().unwrap().to_owned()).collect()
    };
    let mut ran = broken();
    let first = prints(&sarif_of(&plan(), &ran));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), first.len(), "{first:?}");
    // Fixed: whoever changes how it is made opens every alert anew.
    let [size] = &prints(&sarif_of(&plan(), &[self::ran("hubs/life", vec![missed("Size", "3 states")])]))[..]
    else {
        panic!("one finding")
    };
    assert_eq!(size, "37b1f3156e1eaaf3:1");
    // Other figures, other traces, another directory: the same findings.
    ran.iter_mut().flat_map(|ran| &mut ran.report.findings).for_each(|finding| {
        finding.how = finding.how.replace("3 states", "17 states");
        finding.trace = None;
    });
    let mut elsewhere = plan();
    elsewhere.out = Some("elsewhere".into());
    assert_eq!(prints(&sarif_of(&elsewhere, &ran)), first);
    // The same twice is two.
    let twice =
        prints(&sarif_of(&plan(), &[self::ran("hubs/log", vec![missed("Size", "a"), missed("Size", "a")])]));
    assert_ne!(twice[0], twice[1]);
}

#[test]
fn sarif_says_which_checks_were_cut_off_and_that_the_run_did_not_succeed() {
    let log = sarif_of(&plan(), &broken());
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["exitCode"], u64::from(BROKEN));
    let notes = invocation["toolExecutionNotifications"].as_array().unwrap();
    let texts: Vec<_> = notes.iter().map(|note| note["message"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("hubs/race: cut off") && texts[1].starts_with("hubs/log: cut off"));
    let held = sarif_of(&plan(), &[ran("hubs/log", Vec::new())]);
    assert_eq!(held["runs"][0]["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn what_is_said_of_progress_is_said_as_often_as_was_asked() {
    assert!(!due(None, 1000, 0));
    assert!(!due(Some(10), 9, 0) && due(Some(10), 10, 0));
    assert!(!due(Some(10), 19, 10) && due(Some(10), 20, 10));
}

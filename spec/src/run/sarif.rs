//! A run as SARIF 2.1.0, for a CI that shows findings beside the text that they are about.
//!
//! A rule of the protocol is a rule there, a finding a result, and a trace its code flow, a location a step. Results
//! point at the rule's heading in `spec/PROTOCOL.md`.

mod log;

use std::collections::BTreeMap;

use handoff_kernel::rules::Rule;
use handoff_spec::check::Finding;
use handoff_spec::trace::{Kind, Line, Trace};

use self::log::{
    ArtifactLocation, AutomationDetails, CodeFlow, Configuration, Described, Descriptor, Driver, Help,
    Invocation, Location, Log, Notification, Outcome, PhysicalLocation, Reference, Region, Text, ThreadFlow,
    ThreadFlowLocation, Tool,
};
use super::{Plan, Ran, code, counted, files, people};

/// What results point at. Its lines are counted, never typed, so that they stay true.
const DOCUMENT: &str = include_str!("../../PROTOCOL.md");
const URI: &str = "spec/PROTOCOL.md";
const ROOT: &str = "%SRCROOT%";

/// What a finding can be about that is no rule of the protocol.
struct Other {
    id: &'static str,
    says: &'static str,
    heading: &'static str,
}

/// Their ids are for others to keep: one is never renamed.
const OTHERS: [Other; 7] = [
    Other { id: WITNESS, says: "The interesting case of every rule is reached.", heading: "## The rules" },
    Other {
        id: "Refinement",
        says: "Every change is a step of the abstract specification, or nothing that it tells apart changes.",
        heading: "## The record and its statuses",
    },
    Other {
        id: "Frame",
        says: "A command on one handoff leaves every other as it was.",
        heading: "## Commands",
    },
    Other {
        id: "Exactness",
        says: "Times that the proof takes for alike are decided alike.",
        heading: "## Time",
    },
    Other { id: "Opinion", says: "Both checkers find the same in every model.", heading: "## The rules" },
    Other { id: "Size", says: "Every check has the size that was recorded.", heading: "## The rules" },
    Other { id: "Other", says: "Nothing else is wrong.", heading: "# The protocol" },
];

const WITNESS: &str = "Witness";

/// The whole document.
pub(super) fn document(plan: &Plan, ran: &[Ran]) -> Result<String, String> {
    let cut = ran.iter().filter(|ran| ran.report.truncated);
    let notifications: Vec<Notification> = cut
        .map(|ran| Notification {
            descriptor: Reference { id: CUT_OFF, index: 0 },
            level: "error",
            message: Text { text: format!("{}: {}", ran.check.id, people::cut_off(plan)) },
        })
        .collect();
    let root = "The root of a checkout of this project, in which spec/ is.".to_owned();
    let run = log::Run {
        tool: Tool { driver: driver() },
        automation_details: AutomationDetails { id: category(plan) },
        invocations: [Invocation {
            execution_successful: notifications.is_empty(),
            exit_code: code(ran),
            tool_execution_notifications: notifications,
        }],
        original_uri_base_ids: BTreeMap::from([(ROOT, Described { description: Text { text: root } })]),
        results: results(plan, ran),
    };
    let schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
    let log = Log { schema, version: "2.1.0", runs: [run] };
    serde_json::to_string_pretty(&log).map_err(|error| error.to_string())
}

/// Runs of one category follow each other: what a later one does not find is mended. So each part of a profile that
/// can be asked for has a category of its own.
fn category(plan: &Plan) -> String {
    let mut out = format!("handoff-spec/{}/", plan.profile);
    if let Some(only) = &plan.only {
        out += &format!("{}/", only.trim_end_matches('/'));
    }
    if let Some(rule) = plan.rule {
        out += &format!("{rule:?}/");
    }
    out
}

const CUT_OFF: &str = "CutOff";

fn driver() -> Driver {
    let rules = Rule::ALL.into_iter().map(|rule| {
        let help = section(&heading(rule));
        descriptor(format!("{rule:?}"), rule.name(), rule.statement(), &help)
    });
    let others = OTHERS.iter().map(|Other { id, says, heading }| {
        let help = format!("{says} It is no rule of the protocol: spec/README.md says what it is for.");
        let help = format!("{help} See {:?} in {URI}.", heading.trim_start_matches(['#', ' ']));
        descriptor((*id).to_owned(), id, says, &help)
    });
    let cut = "A check was cut off before it was done: nothing is claimed of what it did not look at.";
    Driver {
        name: "handoff-spec",
        semantic_version: env!("CARGO_PKG_VERSION"),
        version: env!("CARGO_PKG_VERSION"),
        rules: rules.chain(others).collect(),
        notifications: vec![descriptor(CUT_OFF.to_owned(), CUT_OFF, cut, cut)],
    }
}

fn descriptor(id: String, name: &str, says: &str, help: &str) -> Descriptor {
    let says = Text { text: says.to_owned() };
    Descriptor {
        id,
        name: name.to_owned(),
        short_description: says.clone(),
        full_description: says,
        help: Help { text: help.to_owned(), markdown: help.to_owned() },
        default_configuration: Configuration { level: "error" },
    }
}

// ------------------------------------------------------------------------------------------------------ the document

fn heading(rule: Rule) -> String {
    format!("### {rule}")
}

/// The line of this heading, counted from 1. Where there is none, the document as a whole is meant.
fn line_of(heading: &str) -> usize {
    DOCUMENT.lines().position(|line| line == heading).map_or(1, |at| at + 1)
}

/// What stands below this heading, up to the next one.
fn section(heading: &str) -> String {
    let lines: Vec<&str> = DOCUMENT.lines().collect();
    let below = &lines[line_of(heading)..];
    let end = below.iter().position(|line| line.starts_with('#')).unwrap_or(below.len());
    without_links(below[..end].join("\n").trim())
}

/// The text with the words of its links. Where this is shown, they would lead nowhere.
fn without_links(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("](") {
        if let (Some(open), Some((_, tail))) = (before.rfind('['), after.split_once(')')) {
            out += &before[..open];
            out += &before[open + 1..];
            rest = tail;
        } else {
            out += &plain(&format!("{before}]("));
            rest = after;
        }
    }
    out + rest
}

/// What is no link stays none: `[a](b)` is one in every text of SARIF.
fn plain(text: &str) -> String {
    text.replace("](", "] (")
}

// -------------------------------------------------------------------------------------------------------- the results

fn results(plan: &Plan, ran: &[Ran]) -> Vec<Outcome> {
    let found = ran.iter().flat_map(|Ran { check, report }| {
        report.findings.iter().map(move |finding| (check.id.as_str(), finding))
    });
    let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
    found
        .map(|(check, finding)| {
            let print = fingerprint(check, finding);
            let nth = seen.entry(print).and_modify(|nth| *nth += 1).or_insert(1);
            result(plan, check, finding, format!("{print:016x}:{nth}"))
        })
        .collect()
}

fn result(plan: &Plan, check: &str, finding: &Finding, print: String) -> Outcome {
    let (rule_id, rule_index, line) = about(&finding.property);
    let flow = finding.trace.as_ref().map(|trace| flow(trace, &finding.property, line));
    Outcome {
        rule_id,
        rule_index,
        level: "error",
        message: Text { text: message(plan, check, finding) },
        locations: [location(line, None)],
        code_flows: flow.into_iter().collect(),
        // The name is the one that GitHub knows; it takes the place of a hash of the line that is pointed at.
        partial_fingerprints: BTreeMap::from([("primaryLocationLineHash", print)]),
    }
}

/// Of which rule this property is, by id and index, and the line that tells of it.
fn about(property: &str) -> (String, usize, usize) {
    let rule = |name: &str| Rule::ALL.into_iter().position(|rule| rule.to_string() == name);
    if let Some(index) = rule(property) {
        let rule = Rule::ALL[index];
        return (format!("{rule:?}"), index, line_of(&heading(rule)));
    }
    let witness = property.strip_prefix("Witness of ");
    let id = if witness.is_some() { WITNESS } else { property };
    let index = OTHERS.iter().position(|other| other.id == id).unwrap_or(OTHERS.len() - 1);
    let other = &OTHERS[index];
    let line = match witness.and_then(rule) {
        Some(index) => line_of(&heading(Rule::ALL[index])),
        None => line_of(other.heading),
    };
    (other.id.to_owned(), Rule::ALL.len() + index, line)
}

fn message(plan: &Plan, check: &str, finding: &Finding) -> String {
    let how = people::how(finding, 2);
    let stop = if how.ends_with(['.', '\n']) { "" } else { "." };
    let mut out = format!("{}: {how}{stop}", finding.property);
    match &finding.trace {
        Some(trace) => out += &format!(" In {}, by {check}.", counted(trace.steps() as usize, "step")),
        None => out += &format!(" By {check}."),
    }
    if let Some((ndjson, svg)) = finding.trace.as_ref().and_then(|trace| files(plan, trace)) {
        out += &format!(" The trace is {ndjson}, its picture {svg}.");
    }
    plain(&out)
}

/// The same for the same finding in every run: by its check, its property and what is wrong. Figures do not count: a
/// size that is wrong by more is the same finding still.
fn fingerprint(check: &str, finding: &Finding) -> u64 {
    let how = finding.how.lines().next().unwrap_or_default();
    let how: String = how.chars().filter(|c| !c.is_ascii_digit()).collect();
    // FNV-1a: short, and the same on every machine and with every compiler.
    let bytes = [check, &finding.property, &how].join("\n").into_bytes();
    bytes
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn location(start_line: usize, message: Option<String>) -> Location {
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: URI, uri_base_id: ROOT },
            region: Region { start_line },
        },
        message: message.map(|text| Text { text: plain(&text) }),
    }
}

/// The trace, a location a step. Each has a place, without which it is not shown: the rule's.
fn flow(trace: &Trace, property: &str, line: usize) -> CodeFlow {
    let header = &trace.header;
    let mut steps = vec![(0, beginning(trace))];
    for lines in trace.lines.chunk_by(|a, b| a.step == b.step) {
        let step = lines.first().map_or(0, |line| line.step);
        let told: Vec<String> = lines.iter().map(squeezed).collect();
        let told = told.join("\n");
        if step == 0 {
            steps[0].1 += &format!("\n{told}");
        } else if header.cycle_from == Some(step) {
            steps.push((step, format!("from here on, again and again:\n{told}")));
        } else {
            steps.push((step, told));
        }
    }
    let still = header.cycle_from.is_some_and(|from| from > trace.steps());
    if let Some((_, last)) = steps.last_mut() {
        match header.kind {
            Kind::Counterexample => *last += &format!("\nthis breaks {property}"),
            Kind::Lasso if still => *last += "\nfrom here on nothing moves, for ever",
            Kind::Lasso | Kind::Witness => {}
        }
    }
    let locations = steps.into_iter().map(|(execution_order, told)| ThreadFlowLocation {
        location: location(line, Some(told)),
        execution_order,
    });
    CodeFlow {
        message: Text { text: plain(&format!("{}: {}", header.name, header.says)) },
        thread_flows: [ThreadFlow { locations: locations.collect() }],
    }
}

/// A line without the blanks that make columns of it.
fn squeezed(line: &Line) -> String {
    line.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn beginning(trace: &Trace) -> String {
    let records: Vec<String> = trace.header.records.iter().map(ToString::to_string).collect();
    match records.as_slice() {
        [] => "at the beginning: nothing is on record".to_owned(),
        some => format!("at the beginning: {}", some.join("; ")),
    }
}

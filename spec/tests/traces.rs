//! The committed traces: each is lived through again by the kernel, and the documents tell of all of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_kernel::rules::Rule;
use handoff_spec::check::assumptions;
use handoff_spec::generate::{DOCUMENTS, Sources};
use handoff_spec::replay::replay;
use handoff_spec::trace::{Event, Kind, Line, Trace};

fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn traces() -> Vec<Trace> {
    Sources::read(&spec()).unwrap().traces
}

#[test]
fn every_committed_trace_is_lived_through_again_by_the_kernel() {
    let all = traces();
    assert!(all.len() > 60, "only {}", all.len());
    for trace in all {
        assert_eq!(replay(&trace), Ok(()), "{trace}");
        assert_eq!(Trace::parse(&trace.to_ndjson()), Ok(trace.clone()), "{}", trace.header.name);
    }
}

#[test]
fn a_file_is_named_as_its_trace() {
    for trace in traces() {
        let file = spec().join("traces").join(format!("{}.ndjson", trace.header.name));
        assert_eq!(fs::read_to_string(&file).unwrap(), trace.to_ndjson(), "{}", file.display());
    }
}

/// The replay can fail: a trace of hubs of which any one line is left out, or told otherwise, is not lived through, but
/// for lines that no kernel has a part in.
#[test]
fn a_trace_that_tells_it_otherwise_is_not_lived_through() {
    let mut tried = 0;
    for trace in traces().into_iter().filter(|trace| trace.header.model == "hubs") {
        for (number, line) in trace.lines.iter().enumerate() {
            let decides = matches!(
                line.event,
                Event::Begins { .. } | Event::Effect { .. } | Event::Answers { .. } | Event::Follows { .. }
            );
            if !decides {
                continue;
            }
            let mut other = trace.clone();
            other.lines.remove(number);
            // An operation that is begun and never goes on is as good as never begun.
            let goes_on = |begun: u32| {
                let effect =
                    |line: &Line| matches!(line.event, Event::Effect { operation, .. } if operation == begun);
                trace.lines.iter().any(effect)
            };
            let begun_only = matches!(line.event, Event::Begins { operation, .. } if !goes_on(operation));
            // The last step of a witness or of a way round need not be told for the rest to be true.
            let last = line.step == trace.steps() && trace.header.kind != Kind::Counterexample;
            if !begun_only && !last {
                assert!(replay(&other).is_err(), "{} without line {}", trace.header.name, number + 2);
                tried += 1;
            }
        }
        let mut other = trace.clone();
        other.header.kind = match trace.header.kind {
            Kind::Counterexample => Kind::Witness,
            Kind::Witness | Kind::Lasso => Kind::Counterexample,
        };
        // A witness need not have come to rest, so that an event may still be missing in its log.
        if !trace.header.log_follows {
            assert!(replay(&other).is_err(), "{} is called a {:?}", trace.header.name, other.header.kind);
        }
    }
    assert!(tried > 100, "only {tried} lines were left out");
}

#[test]
fn every_rule_has_a_witness_and_every_assumption_a_trace() {
    let all = traces();
    let witnessed: BTreeSet<String> = all
        .iter()
        .filter(|trace| trace.header.kind == Kind::Witness)
        .map(|trace| trace.header.rule.clone())
        .collect();
    for rule in Rule::ALL {
        assert!(witnessed.contains(&format!("{rule:?}")), "{rule} has no witness");
    }
    let names: BTreeSet<&str> = all.iter().map(|trace| trace.header.name.as_str()).collect();
    for assumption in assumptions() {
        assert!(names.contains(assumption.trace.as_str()), "{assumption:?}");
    }
}

#[test]
fn every_generated_part_is_as_it_would_be_generated() {
    let sources = Sources::read(&spec()).unwrap();
    for name in DOCUMENTS {
        let committed = fs::read_to_string(spec().join(name)).unwrap();
        assert!(
            sources.document(&committed).unwrap() == committed,
            "spec/{name} is old; write it anew with\n  cargo run --release -p handoff-spec -- claims --write spec"
        );
        assert!(committed.contains("<!-- generated: "), "spec/{name} has no generated part");
    }
}

#[test]
fn the_protocol_has_a_section_for_every_rule() {
    let protocol = fs::read_to_string(spec().join("PROTOCOL.md")).unwrap();
    for rule in Rule::ALL {
        assert!(protocol.contains(&format!("\n### {rule}\n")), "{rule} has no section");
    }
}

//! Every committed trace, played over real sockets on a real hub: it answers as the kernel does.

use std::path::PathBuf;

use handoff_sim::conform::{Played, Settings, all};
use handoff_spec::trace::Trace;

use crate::support::hub::testing;
use crate::support::root;

/// All of `spec/traces`, by name.
fn committed() -> Vec<Trace> {
    let directory = root().join("spec/traces");
    let names =
        std::fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("an entry").path());
    let is_trace = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "ndjson");
    let mut names: Vec<_> = names.filter(is_trace).collect();
    names.sort();
    let read = |path: &PathBuf| std::fs::read_to_string(path).expect("it is text");
    names.iter().map(|path| Trace::parse(&read(path)).expect("it is a trace")).collect()
}

/// Plays these, and fails with all that went wrong.
fn played(traces: Vec<Trace>, trouble: Option<u64>) -> Played {
    let settings = Settings { binary: testing(), law: "protocol".to_owned(), at_once: 2, trouble };
    let mut wrong = Vec::new();
    let sum = all(traces, &settings, |_, result| wrong.extend(result.as_ref().err().cloned()));
    assert!(wrong.is_empty(), "{}\n{sum}", wrong.join("\n"));
    sum
}

#[test]
fn every_committed_trace_conforms_on_a_real_hub() {
    let sum = played(committed(), None);
    println!("{sum}");
}

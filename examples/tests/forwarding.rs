//! What the checkers say of the three designs. The numbers of states stand here so that a model that shrank by accident
//! is noticed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use handoff_examples::{Design, NEVER_DROPPED, ONE_WORKER, Verdict, check};
use handoff_spec::picture::Diagram;
use handoff_spec::trace::Trace;

fn only<'v>(verdict: &'v Verdict, rule: &str) -> &'v Trace {
    verdict.broken.iter().find(|trace| trace.header.rule == rule).unwrap()
}

/// The last thing that happens.
fn last(trace: &Trace) -> String {
    trace.lines.last().unwrap().event.to_string()
}

#[test]
fn who_completes_first_loses_the_work_when_it_dies_in_between() {
    let verdict = check(Design::CompleteFirst);
    assert_eq!((verdict.states, verdict.broken.len(), &verdict.doubts[..]), (41, 1, &[][..]));
    let lost = only(&verdict, NEVER_DROPPED);
    assert_eq!((lost.steps(), last(lost)), (4, "dies".to_owned()));
}

#[test]
fn who_starts_first_keeps_the_work_and_has_it_done_twice_or_turned_away() {
    let verdict = check(Design::StartFirst);
    assert_eq!((verdict.states, verdict.broken.len(), &verdict.doubts[..]), (84, 2, &[][..]));
    let twice = only(&verdict, ONE_WORKER);
    assert_eq!(twice.steps(), 7);
    assert!(last(twice).ends_with("so I go on with the work"), "{twice}");
    let turned_away = only(&verdict, NEVER_DROPPED);
    assert_eq!(
        (turned_away.steps(), last(turned_away)),
        (5, "has on record: h1: rejected, declined".to_owned())
    );
    assert!(!turned_away.to_string().contains("dies"), "nobody need die for that: {turned_away}");
}

#[test]
fn who_completes_when_the_next_has_accepted_neither_loses_the_work_nor_has_it_done_twice() {
    let verdict = check(Design::AtAccept);
    assert_eq!((verdict.states, verdict.broken.len(), &verdict.doubts[..]), (58, 0, &[][..]));
    let reached: Vec<_> = verdict.witnesses.iter().map(|trace| trace.header.rule.as_str()).collect();
    assert_eq!(reached, [ONE_WORKER, NEVER_DROPPED]);
}

#[test]
fn a_picture_says_what_is_broken_and_what_was_demanded() {
    let verdict = check(Design::CompleteFirst);
    let lost = only(&verdict, NEVER_DROPPED);
    let demands = "Where a handoff says that it was handed on, the next one is taken, or waits to be taken.";
    let svg = Diagram::of(lost).to_svg();
    for said in ["NeverDropped is broken", demands, "complete h0: handed on as h1", ">dies<", ">alice<"] {
        assert!(svg.contains(said), "{said} is not in {svg}");
    }
    assert_eq!(Trace::parse(&lost.to_ndjson()).as_ref(), Ok(lost), "and so does the file");
}

#[test]
fn the_command_prints_every_design_and_writes_what_it_found() {
    let directory = tempfile::tempdir().unwrap();
    let command =
        |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_handoff-examples")).args(args).output().unwrap();
    let done = command(&["--out", directory.path().to_str().unwrap()]);
    let out = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(0), "{out}");
    assert!(
        out.contains("this breaks NeverDropped") && out.contains("58 states.\n  Every rule holds."),
        "{out}"
    );
    let mut written: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    written.sort();
    let pictures: Vec<_> = written.iter().filter_map(|name| name.to_str()?.strip_suffix(".svg")).collect();
    assert_eq!(
        pictures,
        [
            "complete-first-neverdropped",
            "start-first-neverdropped",
            "start-first-oneworker",
            "witness-at-accept-neverdropped",
            "witness-at-accept-oneworker"
        ]
    );
    assert_eq!(written.len(), 2 * pictures.len(), "each with its NDJSON");
    assert_eq!(command(&["--nonsense"]).status.code(), Some(2));
}

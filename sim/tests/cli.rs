//! The command as its users have it: what it prints, and what its exit code says.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn sim(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_handoff-sim")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A seed of `races` under a law with a fault, found by the command itself, and its trace.
fn broken(directory: &Path) -> String {
    let out = text(directory);
    let (code, said, _) = sim(&[
        "run",
        "--seed",
        "0",
        "--runs",
        "6",
        "--profile",
        "races",
        "--law",
        "everybody_wins",
        "--out",
        out,
    ]);
    assert_eq!(code, 1, "{said}");
    let (_, file) = said.split_once("written: ").unwrap();
    file.split_once(';').unwrap().0.to_owned()
}

#[test]
fn one_seed_says_what_was_drawn_and_what_came_of_it() {
    let (code, out, err) = sim(&["run", "--seed", "5", "--profile", "several"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("seed 5: ") && out.contains("1 run, ") && out.ends_with("all hold\n"), "{out}");
}

#[test]
fn a_batch_says_how_much_it_did_and_the_same_on_any_number_of_threads() {
    let figures = |threads| {
        let args = ["run", "--seed", "0", "--runs", "8", "--profile", "races", "--catalogue", "--coverage"];
        let (code, out, err) = sim(&[&args[..], &["--threads", threads]].concat());
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("8 runs") && out.contains("of the models' ci"), "{out}");
        // The first line has the time that it took.
        out.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(figures("1"), figures("2"));
}

#[test]
fn a_seed_that_breaks_a_rule_is_named_with_the_rule_and_the_line_that_does_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.xml");
    let args = ["run", "--seed", "0", "--runs", "6", "--profile", "races", "--law", "everybody_wins"];
    let (code, out, err) = sim(&[&args[..], &["--junit", text(&report)]].concat());
    assert_eq!(code, 1, "{out}{err}");
    let line = out.lines().find(|line| line.starts_with("  handoff-sim run --seed ")).unwrap();
    assert!(line.ends_with("--profile races --law everybody_wins"), "{line}");
    assert!(out.contains("S1 SingleWinner") && out.contains("  | "), "the end of its trace: {out}");
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains(line.trim()) && report.contains("<failure type=\"S1\""), "{report}");
    // It is pasted as it stands.
    let again: Vec<&str> = line.split_whitespace().filter(|word| *word != "handoff-sim").collect();
    let (code, out, _) = sim(&again);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("S1 SingleWinner"), "{out}");
}

#[test]
fn a_trace_is_done_again_shrunk_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let file = broken(directory.path());
    let (code, out, err) = sim(&["replay", &file]);
    assert_eq!(code, 1, "it breaks the rule again: {out}{err}");
    assert!(out.contains("S1 SingleWinner") && out.contains("as told, to the byte"), "{out}");
    let small = directory.path().join("small.ndjson");
    let (code, out, err) = sim(&["shrink", &file, "--out", text(&small)]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("none of them can be left out"), "{out}");
    let (code, out, _) = sim(&["replay", text(&small)]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("as told, to the byte"), "{out}");
    let (code, out, _) = sim(&["draw", text(&small)]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("is set up") && !out.contains("is_set_up"), "{out}");
    let (code, out, _) = sim(&["draw", text(&small), "--format", "svg"]);
    assert!(code == 0 && out.starts_with("<svg") && out.contains("S1 SingleWinner is broken"), "{out}");
    let (code, out, _) = sim(&["draw", text(&small), "--format", "mermaid"]);
    assert!(code == 0 && out.contains("sequenceDiagram"), "{out}");
}

#[test]
fn a_trace_that_was_edited_is_not_as_told_and_the_first_line_that_differs_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = broken(directory.path());
    let told = fs::read_to_string(&file).unwrap();
    let edited = told.replacen("\"verdict\":\"claimed", "\"verdict\":\"completed", 1);
    let edited = if edited == told {
        told.replacen("\"outcome\":\"written\"", "\"outcome\":\"conflict\"", 1)
    } else {
        edited
    };
    assert_ne!(edited, told);
    fs::write(&file, edited).unwrap();
    let (code, out, err) = sim(&["replay", &file]);
    assert!(code == 1 || code == 2, "{out}{err}");
    assert!(out.contains("NOT as told") || err.contains("is no trace"), "{out}{err}");
}

#[test]
fn a_fault_is_found_and_said_where_and_one_that_is_not_found_fails() {
    let (code, out, err) = sim(&["mutants", "--seeds", "6", "anybody_is_target"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("found anybody_is_target") && out.contains("S2"), "{out}");
    let (code, out, _) = sim(&["mutants", "--seeds", "0", "anybody_is_target"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("ALIVE anybody_is_target"), "{out}");
    let (code, out, _) = sim(&["mutants", "--seeds", "0", "poll_claims"]);
    assert_eq!(code, 0, "nobody expects it to be found: {out}");
    assert!(out.contains("what no run of these worlds can show:\n  poll_claims"), "{out}");
}

#[test]
fn coverage_names_what_no_run_has_shown_and_in_which_groups() {
    let (code, out, err) = sim(&["coverage", "--profile", "races", "--runs", "3", "--missing"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("races") && out.contains("never seen: retention is a directory store's"), "{out}");
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_what_there_is() {
    for (args, says) in [
        (
            &["run", "--seed", "1", "--profile", "huge"][..],
            "there are swarm, directory, several, races, calm",
        ),
        (&["run", "--seed", "1", "--runs", "0"][..], "--runs 0 claims nothing"),
        (&["run", "--seed", "1", "--law", "nothing"][..], "there is no law \"nothing\""),
        (&["run"][..], "--seed"),
        (&["replay", "/nowhere"][..], "cannot read /nowhere"),
        (&["mutants", "nothing"][..], "there is no such fault; there are expires_at_deadline"),
        (&["conform", "--hub-binary", "/nowhere"][..], "nothing is asked for"),
        (&["conform", "--hub-binary", "/nowhere", "--fresh", "1"][..], "/nowhere is no file"),
    ] {
        let (code, out, err) = sim(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
}

#[test]
fn a_trace_of_another_program_is_refused_with_what_reads_it() {
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/traces");
    let mut files: Vec<_> = fs::read_dir(trace).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let file = files.iter().find(|file| file.extension().is_some_and(|it| it == "ndjson")).unwrap();
    let (code, out, err) = sim(&["replay", text(file)]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("`handoff-spec trace FILE` lives it through again"), "{err}");
}

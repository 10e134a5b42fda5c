//! The command as its users have it: what it prints, and what its exit code says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn spec(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_handoff-spec")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn trace(name: &str) -> String {
    format!("{}/traces/{name}.ndjson", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_check_that_holds_exits_with_0_and_says_so() {
    let (code, out, _) = spec(&["check", "--only", "hubs/log"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("ok   hubs/log") && out.ends_with("all hold\n"), "{out}");
}

#[test]
fn a_check_that_is_cut_off_exits_with_3_and_claims_nothing() {
    let (code, out, _) = spec(&["check", "--only", "hubs/log", "--max-states", "10"]);
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("CUT  hubs/log") && out.contains("cut off: nothing is claimed"), "{out}");
    assert!(out.contains("more states than the 10 of --max-states; raise that"), "{out}");
    assert!(!out.contains("generated/s"), "{out}");
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_what_there_is() {
    for (args, says) in [
        (&["check", "--rule", "S99"][..], "there is no such rule; there are S1, S2"),
        (
            &["check", "--only", "hubs/nothing"][..],
            "there is no check \"hubs/nothing\", and none below it; there",
        ),
        (&["check", "--only", "hubs/nothing"][..], "hubs/race"),
        (&["check", "--only", "nothing"][..], "bootstrap/, bound/, dropped/, hubs/"),
        (
            &["check", "--only", "hubs/race", "--rule", "S11"][..],
            "hubs/race does not check S11; it checks S1, S2",
        ),
        (
            &["check", "--only", "hubs", "--rule", "S11"][..],
            "no check below hubs checks S11; those that do are",
        ),
        (&["check", "--only", "hubs/", "--record", "x"][..], "--record needs one check or all of them"),
        (&["check", "--record", "/nowhere/x"][..], "cannot record in /nowhere/x"),
        (&["check", "--profile", "huge"][..], "possible values: quick, ci, deep"),
        (&["check", "--record", "x", "--alone"][..], "--record needs whole checks"),
        (&["explore", "nothing"][..], "`handoff-spec explore --list` names them"),
        (&["trace", "/nowhere"][..], "cannot read /nowhere"),
        (
            &["claims", "--write", "/nowhere"][..],
            "--write /nowhere is no directory: name the directory spec/",
        ),
        (&["frobnicate"][..], "unrecognized subcommand"),
    ] {
        let (code, _, err) = spec(args);
        assert_eq!(code, 2, "{args:?}: {err}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
    assert_eq!(spec(&["--help"]).0, 0);
}

#[test]
fn only_the_checks_of_a_rule_are_run_when_one_is_named() {
    let (code, out, _) = spec(&["check", "--rule", "l2", "--format", "json"]);
    assert_eq!(code, 0, "{out}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["result"], "holds");
    for check in json["checks"].as_array().unwrap() {
        let properties = check["properties"].as_array().unwrap();
        assert!(properties.iter().any(|property| property == "L2"), "{check}");
    }
    assert!(json["checks"].as_array().unwrap().iter().any(|check| check["id"] == "live/wakes"));
}

#[test]
fn out_has_the_traces_and_the_report() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("new");
    let (code, ..) = spec(&["check", "--only", "dropped/store-that-forgets", "--out", out.to_str().unwrap()]);
    assert_eq!(code, 0);
    let written = fs::read_to_string(out.join("dropped-store-that-forgets.ndjson")).unwrap();
    assert_eq!(written, fs::read_to_string(trace("dropped-store-that-forgets")).unwrap());
    assert!(Path::new(&out.join("report.json")).exists());
}

#[test]
fn a_trace_is_printed_and_lived_through_again() {
    let (code, out, _) = spec(&["trace", &trace("dropped-store-that-does-not-compare")]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("breaks S1.") && out.contains("swaps: written"), "{out}");
    assert!(out.contains("by the kernel: as told\n"), "{out}");
    assert!(out.ends_with("a way of it, which shows what it says\n"), "{out}");
    // One whose rule is another's, which no kernel can tell.
    let witness = fs::read_to_string(trace("witness-s9-own-claim-known-again")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("swapped.ndjson");
    fs::write(&file, witness.replacen("\"rule\":\"S9\"", "\"rule\":\"S1\"", 1)).unwrap();
    let (code, out, _) = spec(&["trace", file.to_str().unwrap()]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("walked through its model again: NOT so: "), "{out}");
}

#[test]
fn a_trace_that_is_not_true_exits_with_1_and_one_that_is_none_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.ndjson");
    let name = file.to_str().unwrap();
    let text = fs::read_to_string(trace("dropped-store-that-does-not-compare")).unwrap();
    fs::write(&file, text.replace("\"written\"", "\"conflict\"")).unwrap();
    let (code, out, _) = spec(&["trace", name]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("NOT as told"), "{out}");
    fs::write(&file, "{}\n").unwrap();
    let (code, _, err) = spec(&["trace", name]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("is no trace: line 1"), "{err}");
}

#[test]
fn what_is_recorded_of_one_check_stands_beside_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("measured.json");
    let name = file.to_str().unwrap();
    for only in ["hubs/log", "live/wakes", "hubs/log"] {
        assert_eq!(spec(&["check", "--only", only, "--record", name]).0, 0);
    }
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let checks = json["quick"]["checks"].as_object().unwrap();
    assert_eq!(checks.keys().collect::<Vec<_>>(), ["hubs/log", "live/wakes"]);
    fs::write(&file, "[]").unwrap();
    let (code, _, err) = spec(&["check", "--only", "hubs/log", "--record", name]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("cannot record in"), "{err}");
}

#[test]
fn table_prints_the_committed_table() {
    let (code, out, _) = spec(&["table"]);
    assert_eq!(code, 0);
    let committed = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/TABLE.md")).unwrap();
    assert_eq!(out, committed, "print it anew with\n  handoff-spec table > spec/TABLE.md");
}

#[test]
fn claims_has_a_row_for_every_rule() {
    let (code, out, _) = spec(&["claims"]);
    assert_eq!(code, 0);
    assert_eq!(out.lines().count(), 2 + 19, "{out}");
    assert!(out.contains("S1 SingleWinner") && out.contains("`conflict_overwritten`"), "{out}");
}

#[test]
fn a_prefix_selects_every_check_below_it() {
    for only in ["proof", "proof/"] {
        let (code, out, _) = spec(&["check", "--only", only, "--format", "json"]);
        assert_eq!(code, 0, "{out}");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        let ids: Vec<_> = json["checks"].as_array().unwrap().iter().map(|check| &check["id"]).collect();
        assert_eq!(ids, ["proof/induction", "proof/exact", "proof/frame"]);
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "[]").unwrap();
    let name = file.to_str().unwrap();
    let (code, out, err) = spec(&["check", "--only", "hubs/log", "--out", name]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("is a file and not a directory"), "{err}");
    let nowhere = directory.path().join("no/measured.json");
    for record in [name, nowhere.to_str().unwrap()] {
        let (code, out, err) = spec(&["check", "--only", "hubs/log", "--record", record]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains("cannot record in"), "{err}");
    }
    let (code, _, err) = spec(&["claims", "--write", directory.path().to_str().unwrap()]);
    assert_eq!(code, 2);
    assert!(err.contains("has no traces/: name the directory spec/"), "{err}");
}

#[test]
fn a_line_that_is_no_json_has_the_line_of_the_file_and_its_column_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.ndjson");
    let text = fs::read_to_string(trace("dropped-store-that-does-not-compare")).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines[2] = &lines[2][..20];
    fs::write(&file, lines.join("\n")).unwrap();
    let (code, _, err) = spec(&["trace", file.to_str().unwrap()]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("is no trace: line 3, column 20: EOF while parsing"), "{err}");
    assert_eq!(err.matches("line").count(), 1, "{err}");
}

#[test]
fn a_trace_says_what_its_columns_are_and_what_its_last_step_breaks() {
    let (_, out, _) = spec(&["trace", &trace("bound-epsilon-2")]);
    assert!(out.contains("\ncolumns: step, t=true time in ms, host, "), "{out}");
    assert!(out.contains("\nS3's bound: ") && out.contains("\n     this breaks S3 NoLateClaim\n"), "{out}");
    let (_, out, _) = spec(&["trace", &trace("dropped-janitor-that-stops")]);
    assert!(out.contains("what L1 promises never comes. "), "{out}");
}

#[test]
fn what_explore_lists_is_named_as_check_names_it() {
    let (code, out, _) = spec(&["explore", "--list"]);
    assert_eq!(code, 0);
    let (_, json, _) = spec(&["check", "--only", "live", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    for check in json["checks"].as_array().unwrap() {
        let id = check["id"].as_str().unwrap();
        assert!(out.lines().any(|line| line.starts_with(&format!("{id} "))), "{id} is not in {out}");
    }
    for kind in ["hubs/race ", "dropped/store-that-forgets ", "bound/epsilon-2 "] {
        assert!(out.lines().any(|line| line.starts_with(kind)), "{kind} is not in {out}");
    }
    // Both names are known: what is wrong is the port, on which somebody listens.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in ["race", "hubs/race"] {
        let (code, _, err) = spec(&["explore", name, "--port", &port]);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("cannot listen on"), "{name}: {err}");
    }
}

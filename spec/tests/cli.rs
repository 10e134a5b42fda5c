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
    assert!(out.contains("CUT  hubs/log") && out.contains("cut off"), "{out}");
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_what_there_is() {
    for (args, says) in [
        (&["check", "--rule", "S99"][..], "there is no such rule; there are S1, S2"),
        (&["check", "--only", "hubs/nothing"][..], "hubs/race"),
        (&["check", "--profile", "huge"][..], "possible values: quick, ci, deep"),
        (&["check", "--record", "x", "--alone"][..], "--record needs whole checks"),
        (&["explore", "nothing"][..], "`handoff-spec explore --list` names them"),
        (&["trace", "/nowhere"][..], "cannot read /nowhere"),
        (&["claims", "--write", "/nowhere"][..], "/nowhere"),
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
    assert!(out.ends_with("as told\n"), "{out}");
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
fn claims_has_a_row_for_every_rule() {
    let (code, out, _) = spec(&["claims"]);
    assert_eq!(code, 0);
    assert_eq!(out.lines().count(), 2 + 17, "{out}");
    assert!(out.contains("S1 SingleWinner") && out.contains("`conflict_overwritten`"), "{out}");
}

//! Histories of a hub that runs: what ships has an order for each, and a hub that is bent has not.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use handoff_sim::histories;

/// The hub with a clock of the test's own, built in the profile of the tests. Cargo says where it is.
fn hub() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--profile", "test", "--message-format", "json", "-p", "handoff-hub"]);
    build.args(["--bin", "handoff-hub-testing", "--features", "testing"]);
    let out = build.stdin(Stdio::null()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let messages = out.stdout.split(|&b| b == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back().unwrap()
}

#[test]
fn each_history_of_the_hub_has_an_order() {
    let mut told = 0;
    let summary = histories::run(&hub(), 300, 1, |_| told += 1).unwrap_or_else(|why| panic!("{why}"));
    println!("{summary:#?}");
    assert_eq!((summary.histories, told), (300, 300));
    assert!(summary.kills > 5 && summary.unknown > 100 && summary.overlapping > 2, "{summary:?}");
    for answer in [
        "made",
        "known",
        "id_conflict",
        "wrong_sender",
        "claimed",
        "already_claimed",
        "completed",
        "already_completed",
        "not_claimed",
        "wrong_claim",
        "rejected",
        "already_rejected",
        "expired",
        "claim_expired",
        "not_found",
        "wrong_agent",
        "seen",
        "not seen",
        "shown",
        "none shown",
        "set",
    ] {
        assert!(summary.heard.contains_key(answer), "nobody was told {answer}: {:?}", summary.heard);
    }
}

/// What is found when the hub has this fault, and the file that the history is kept in.
fn found_with(fault: &str) -> (String, String) {
    let found = histories::run_with(&hub(), &["--law", fault], 2000, 2, |_| {}).unwrap_err();
    assert!(found.contains("No order of the operations on n"), "{fault}: {found}");
    let (_, path) = found.rsplit_once("The whole history is in ").unwrap();
    let path = path.strip_suffix('.').unwrap();
    let kept = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    (found, kept)
}

#[test]
fn a_hub_that_lets_everybody_win_is_caught_and_the_whole_history_is_kept() {
    let (found, kept) = found_with("everybody_wins");
    let (_, marked) = found.split_once("marked `>` (").unwrap();
    assert!(marked.starts_with("accept by alice"), "{found}");
    let lines: Vec<serde_json::Value> =
        kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 10 && lines[0]["clock"].is_u64() && lines[1]["called"].is_u64(), "{kept}");
}

#[test]
fn hubs_of_other_faults_are_caught_too() {
    for fault in [
        "answers_unwritten",
        "anybody_holds",
        "lapses_at_deadline",
        "expires_at_deadline",
        "start_overwrites",
    ] {
        found_with(fault);
    }
}

#[test]
fn a_hub_that_does_not_start_is_told() {
    let found = histories::run_with(&hub(), &["--law", "no_such_law"], 1, 1, |_| {}).unwrap_err();
    assert!(found.contains("no_such_law"), "{found}");
    let nothing = histories::run(Path::new("/nothing/here"), 1, 1, |_| {}).unwrap_err();
    assert!(nothing.contains("does not run"), "{nothing}");
}

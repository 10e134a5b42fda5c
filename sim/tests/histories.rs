//! Histories of a hub that runs: what ships has an order for each, and a hub that is bent has not.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::path::PathBuf;
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
    messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).last().unwrap()
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

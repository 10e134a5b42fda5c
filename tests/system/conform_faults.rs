//! From a fault to its proof, by the commands that anybody has: a seed that finds it, the few acts that show it, their
//! picture, and the same acts on a real hub, which fails if it has the fault, and agrees if it has not.

use std::path::Path;
use std::process::{Command, Stdio};

use handoff_kernel::testing::variant::Fault;

use crate::support::hub::testing;

/// The first seeds of the profile `directory` in which each of these is found.
const SEEDS: &str = "8";

/// What is left of a run has fewer lines.
const FEW: usize = 15;

/// Runs `handoff-sim` and gives back its exit code and what it printed.
fn sim(args: &[&str]) -> (Option<i32>, String) {
    let binary = crate::support::bin("handoff-sim", "handoff-sim", "");
    let out = Command::new(binary).args(args).stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout) + &text(&out.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("it is text")
}

#[test]
fn a_trace_of_which_nothing_reaches_a_hub_says_nothing_of_it() {
    let trace = crate::support::root().join("spec/traces/bootstrap-left-twice.ndjson");
    let (code, said) = sim(&["conform", "--hub-binary", text(&testing()), "--traces", text(&trace)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not one answer was compared: nothing is known of the hub\n"), "{said}");
}

#[test]
fn each_fault_is_found_by_a_seed_shrunk_drawn_and_shown_by_a_real_hub_that_has_it() {
    let hub = testing();
    for fault in [
        Fault::AnybodyIsTarget,
        Fault::CompletesUnclaimed,
        Fault::BytesIgnored,
        Fault::AnybodyIsAuthor,
        Fault::StartsOverdue,
        Fault::AnybodyIsParty,
    ] {
        let (name, rule) = (fault.name(), fault.caught_by());
        let out = tempfile::tempdir().expect("a directory");
        let (code, said) = sim(&[
            "run",
            "--seed",
            "0",
            "--runs",
            SEEDS,
            "--profile",
            "directory",
            "--law",
            name,
            "--out",
            text(out.path()),
        ]);
        assert_eq!(code, Some(1), "{name}: {said}");
        let file = said.split("written: ").nth(1).and_then(|rest| rest.split(';').next()).expect("a trace");
        let small = out.path().join("small.ndjson");
        let (code, said) = sim(&["shrink", file, "--out", text(&small)]);
        assert_eq!(code, Some(0), "{name}: {said}");
        // The first line is the header.
        let events = std::fs::read_to_string(&small).expect("it was written").lines().count() - 1;
        assert!(events < FEW, "{name}: {events} events are left");
        let (code, picture) = sim(&["draw", text(&small), "--format", "svg"]);
        assert_eq!(code, Some(0), "{name}");
        let broken = format!("{rule} is broken");
        assert!(picture.starts_with("<svg") && picture.contains(&broken), "{name}: {picture}");
        assert!(picture.contains("for bob") || picture.contains("for eve"), "{name}: {picture}");
        let conform = |more: &[&str]| {
            sim(&[&["conform", "--hub-binary", text(&hub), "--traces", text(&small)], more].concat())
        };
        let (code, said) = conform(&["--law", name, "--held-to", "protocol"]);
        assert_eq!(code, Some(1), "{name} on a real hub: {said}");
        let differs = said.lines().find(|line| line.starts_with("NOT ")).expect("what differs");
        assert!(differs.starts_with("NOT small: "), "by the name of its file: {differs}");
        assert!(said.contains("1 trace, 1 of them NOT as the kernel's; "), "{name}: {said}");
        assert!(differs.contains("the hub answers") && differs.contains("the kernel"), "{name}: {differs}");
        let (code, said) = conform(&[]);
        assert!(
            code == Some(0) && said.ends_with("the hub does as the kernel does\n"),
            "without {name}: {said}"
        );
    }
}

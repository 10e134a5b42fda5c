//! The command `fsck`, as it ships: its exit codes, and what it prints.
//!
//! One test in a process of its own: a child that is being made holds the locks of its parent for a moment.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and says what it found")]

#[path = "fsck/house.rs"]
#[expect(dead_code, clippy::panic, reason = "it is the other tests' as well")]
mod house;
#[path = "relay/world.rs"]
#[expect(
    dead_code,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "it is the relay's tests' as well"
)]
mod world;

use std::process::Command;

use house::House;

/// The exit code, and standard output and error.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_handoff-hub")).arg("fsck").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_exit_code_says_whether_anything_is_left_and_a_hub_that_runs_is_to_be_stopped_first() {
    let house = House::new();
    let data = house.data.to_str().unwrap();
    let summary = |findings: &str| format!("2 pending, 1 claimed, 1 completed, 1 rejected: {findings}.\n");
    // The wall clock is not the one of the tests: it is later, so nothing is ahead of it.
    let (code, out, err) = run(&["--data", data]);
    assert_eq!((code, out, err), (0, summary("0 findings, 0 repaired; 0 notes"), String::new()));

    house.write("handoff/x\n.json", "junk");
    let (code, out, err) = run(&["--data", data]);
    let why = "handoff/x\\n.json: its name is not that of a handoff.";
    let left =
        format!("{why} --repair moves it to quarantine/.\n{}", summary("1 findings, 0 repaired; 0 notes"));
    assert_eq!((code, out, err), (1, left, String::new()));
    let (code, out, _) = run(&["--data", data, "--repair"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with(&format!("{why} It went to quarantine/")), "{out}");
    let (code, out, _) = run(&["--data", data]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains(": note: ") && out.ends_with(&summary("0 findings, 0 repaired; 1 notes")), "{out}");

    let (code, out, err) = run(&["--data", "/nowhere/at/all"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("There is no data directory /nowhere/at/all"), "{err}");
    assert_eq!(run(&["--mend"]).0, 2);

    let _world = house.starts();
    let (code, _, err) = run(&["--data", house.data.to_str().unwrap(), "--repair"]);
    assert_eq!(code, 1);
    assert!(err.contains("A hub runs on ") && err.contains("Stop it first."), "{err}");
}

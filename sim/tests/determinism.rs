//! One seed is one run, to the byte, whoever runs it: in another process, on other threads, somewhere else.
//!
//! Each process has keys of its own for whatever it hashes by the standard library, so that an order that depends on a
//! hasher would show here; and no crate that takes part may use such a map (see `clippy.toml`).
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::path::Path;
use std::process::Command;

/// What a process says of these seeds: everything but the time that it took.
fn said(profile: &str, runs: u32, threads: u32, directory: &Path, environment: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_handoff-sim"))
        .args(["run", "--seed", "1", "--digest", "--catalogue", "--coverage", "--profile", profile])
        .args(["--runs", &runs.to_string(), "--threads", &threads.to_string()])
        .current_dir(directory)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{profile}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let said = text.split_once('\n').unwrap().1.to_owned();
    assert!(said.contains("\ntraces: "), "{said}");
    said
}

#[test]
fn the_same_seeds_are_the_same_traces_to_the_byte_in_any_process_on_any_threads() {
    let elsewhere = tempfile::tempdir().unwrap();
    for (profile, runs) in [("swarm", 30), ("directory", 20), ("several", 40), ("races", 30), ("calm", 2)] {
        let here = said(profile, runs, 1, Path::new("."), &[]);
        let there =
            [("TZ", "Pacific/Chatham"), ("LANG", "tr_TR.UTF-8"), ("HOME", "/nonexistent"), ("SEED", "7")];
        let there = said(profile, runs, 3, elsewhere.path(), &there);
        assert!(here == there, "{profile}:\n{here}\n{there}");
        // It is the seeds that it comes of, and nothing else.
        assert_ne!(here, said(profile, runs - 1, 1, Path::new("."), &[]), "{profile}");
    }
}

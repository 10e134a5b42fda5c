//! The example of the README is what the commands write that it names.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn sim(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_handoff-sim")).args(args).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn what_is_shown_is_what_the_commands_write() {
    let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("shown");
    let out = tempfile::tempdir().unwrap();
    let (file, small) = (out.path().join("seed-0.ndjson"), out.path().join("small.ndjson"));
    let [at, file, small] = [out.path(), &file, &small].map(|path| path.to_str().unwrap());
    let run =
        sim(&["run", "--seed", "0", "--profile", "directory", "--law", "anybody_is_target", "--out", at]);
    let shrunk = sim(&["shrink", file, "--out", small]);
    let readme = fs::read_to_string(shown.parent().unwrap().join("README.md")).unwrap();
    for line in [
        run.lines().find(|line| line.starts_with("seed 0: S2")).unwrap(),
        shrunk.lines().find(|line| line.ends_with("tried")).unwrap(),
    ] {
        assert!(readme.contains(line), "sim/README.md has another line than {line:?}: write it anew");
    }
    let how = "the simulator draws other worlds now: do the example of sim/README.md again, and look at its picture";
    let wanted = fs::read_to_string(small).unwrap();
    assert!(fs::read_to_string(shown.join("anybody_is_target.ndjson")).unwrap() == wanted, "{how}");
    let wanted = sim(&["draw", small, "--format", "svg"]);
    assert!(fs::read_to_string(shown.join("anybody_is_target.svg")).unwrap() == wanted, "{how}");
}
